import re
from tests.browser.test_machines import *
from tests.browser.test_machines import _write
def test_dbg(new_tab, machine):
    first, second = new_tab(), new_tab()
    for each in (first, second):
        each.open(f"/machines/{machine['id']}/").get_by_role("link", name=re.compile("Write|Edit")).click()
    _write(first.page, "**First** was here")
    second.page.wait_for_timeout(1500)
    second.tolerate("409")
    second.page.screenshot(path='/tmp/shots-m/dbg0.png')
    _write(second.page, "Second too")
    second.page.wait_for_timeout(1500)
    print(second.page.locator('dialog[open]').inner_html())
    second.page.screenshot(path='/tmp/shots-m/dbg1.png')
