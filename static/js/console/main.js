// Entry of the console's page.
import "./wv-console.js";
import "./wv-console-bar.js";
import "./wv-console-type.js";
import "./wv-console-share.js";
import "./wv-console-touch.js";
