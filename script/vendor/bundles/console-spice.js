export { SpiceMainConn } from "@spice-project/spice-html5/src/main.js";
export { SpiceMsgcKeyDown, SpiceMsgcKeyUp, SpiceMiniData } from "@spice-project/spice-html5/src/spicemsg.js";
export { Constants } from "@spice-project/spice-html5/src/enums.js";
