import re
import time

from tests.lab.guests import Recipe
from tests.waiting import wait_until


def test_dbg(tab, stack, lab, online):
    lab["h1"].define(Recipe("dbg"))
    wait_until("known", lambda: stack.machine("dbg"))
    pk = stack.machine("dbg")["id"]
    page = tab.open(f"/machines/{pk}/")

    def dump(label):
        print("=====", label, stack.machine("dbg")["state"])
        print("DOM", re.sub(r"<svg.*?</svg>", "", page.locator("#machine-head").inner_html())[:6000])

    page.locator("#power").get_by_role("button", name="Start", exact=True).click()
    time.sleep(3)
    dump("started")
    page.get_by_role("button", name="More power actions").click()
    page.locator("#power-menu").get_by_role("menuitem", name=re.compile("^Pause")).click()
    time.sleep(3)
    dump("paused")
    page.locator("#power").get_by_role("button", name="Resume", exact=True).click()
    time.sleep(3)
    dump("resumed")
    html = stack.web.get(f"/machines/{pk}/").body.decode()
    print("SERVER", re.sub(r"<svg.*?</svg>", "", html[html.index('id="machine-head"') :])[:4000])
    print(list(tab.requests)[-20:])
    print(stack.rows("select id,kind,state from jobs_job"))
