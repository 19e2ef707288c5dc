// Entry of every page: defines the elements. Each file's head says which markup it expects.
import "./wv-confirm.js";
import "./wv-form.js";
import "./wv-dialog.js";
import "./wv-copy.js";
import "./wv-theme.js";
import "./wv-time.js";
import "./wv-menu.js";
import "./wv-side.js";
import "./wv-tree.js";
import "./wv-live.js";
import "./wv-rows.js";
import "./wv-jobs.js";
import "./wv-palette.js";
import "./wv-chart.js";
