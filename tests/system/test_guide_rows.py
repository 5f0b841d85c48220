"""docs/guide/rows.md: its code is one file, which compiles and does what the page says."""

import os
import re

from test_embedded import Page, shell
from texts import printed

JOB = """
static int job(flinc_env *env, int argc, char **argv)
{
    flinc_print(bills(env, 12));
    return flinc_env_execute(env, "bills");
}
FLINC_JOB(job)
"""


def bills(n):
    """What the page's job says of each order."""
    accounts, lines = {}, []
    for index in range(n):
        customer = "ann" if index % 2 == 0 else "bob"
        orders, cents, pieces = accounts.get(customer, (0, 0, {}))
        before = set(pieces)
        for i, product in enumerate(("tea", "coffee", "milk")[:index % 3 + 1]):
            pieces[product] = pieces.get(product, 0) + index + 1
            cents += (index + 1) * 150 * (i + 1)
        accounts[customer] = (orders + 1, cents, pieces)
        most = max((pieces[p] for p in before), default=0)
        lines.append((customer, orders + 1, cents, most, {p for p in before if pieces[p] == most}))
    return lines


def test_rows_of_the_guide(top, flinc, tmp_path):
    page = Page(os.path.join(top, "docs", "guide", "rows.md"))
    (tmp_path / "rows.c").write_text("\n".join(page.blocks) + JOB)
    os.symlink(flinc.home, tmp_path / "flinc")
    shell(tmp_path, """F=$PWD/flinc
        cc -Wall -Werror -O2 -shared -fPIC $($F/bin/flinc-config --cflags) rows.c -o rows.so \\
            $($F/bin/flinc-config --libs)""")
    result = shell(tmp_path, "flinc/bin/flink run -t local -p 2 rows.so")
    found = [re.fullmatch(r"(?:\d> )?\((\w+),(\d+),(\d+),(\w*)\)", line).groups() for line in printed(result.stdout)]
    for customer in ("ann", "bob"):
        mine = [line for line in found if line[0] == customer]
        wanted = [line for line in bills(12) if line[0] == customer]
        assert [(int(n), int(cents)) for _, n, cents, _ in mine] == [(n, cents) for _, n, cents, _, _ in wanted]
        for (_, _, _, favourite), (_, _, _, _, best) in zip(mine, wanted):
            assert favourite in best or (favourite == "" and not best)
