"""docs/guide/windows.md: its code is one file, which compiles and does what the page says."""

import os

from test_embedded import Page, shell
from texts import printed

JOB = """
#include <string.h>

static int job(flinc_env *env, int argc, char **argv)
{
    const sale all[] = {{FLINC_STR("a"), 1, 10, 1000}, {FLINC_STR("a"), 2, 2000, 2000},
                               {FLINC_STR("b"), 3, 5, 61000}, {FLINC_STR("a"), 4, 0, 62000}};
    const visitor people[] = {{FLINC_STR("a"), 7, 1500}, {FLINC_STR("b"), 8, 1000}};
    flinc_stream *sales = flinc_from_elements(env, all, 4, FLINC_TYPE(sale)), *late;
    flinc_stream *shops = by_shop(sales);
    flinc_stream *visitors = flinc_assign_timestamps(flinc_from_elements(env, people, 2, FLINC_TYPE(visitor)),
                                                     FLINC_WATERMARKS(.timestamp = "at"));
    flinc_stream *all_results[] = {hours(shops), without_gifts(shops), visits(shops), last_ten_minutes(shops),
                                   with_late_ones(shops, &late), buyers(shops, visitors),
                                   close_in_time(shops, visitors), per_minute(shops)};
    static const char *const names[] = {"hours", "without_gifts", "visits", "last_ten_minutes", "with_late_ones",
                                        "buyers", "close_in_time", "per_minute"};
    for (int i = 0; i < 8; i++) {
        if (strcmp(argv[1], names[i]) == 0) {
            flinc_print(all_results[i]);
        } else {
            flinc_discard(all_results[i]);
        }
    }
    flinc_discard(late);
    return flinc_env_execute(env, "windows");
}
FLINC_JOB(job)
"""

RESULTS = {
    "hours": ["(a,2,2010.0)", "(a,3,2010.0)", "(b,1,5.0)"],
    "without_gifts": ["(a,2,2010.0)", "(b,1,5.0)"],
    "visits": ["(a,1,0.0)", "(a,2,2010.0)", "(b,1,5.0)"],
    "buyers": ["(a,7,10.0)", "(a,7,2000.0)"],
    "close_in_time": ["(a,7,2000.0)", "(b,8,5.0)"],
    "with_late_ones": ["(a,1,0.0)", "(a,2,2010.0)", "(b,1,5.0)"],
}


def test_windows_of_the_guide(top, flinc, tmp_path):
    page = Page(os.path.join(top, "docs", "guide", "windows.md"))
    (tmp_path / "windows.c").write_text("\n".join(page.blocks) + JOB)
    os.symlink(flinc.home, tmp_path / "flinc")
    shell(tmp_path, """F=$PWD/flinc
        cc -Wall -Werror -O2 -shared -fPIC $($F/bin/flinc-config --cflags) windows.c -o windows.so \\
            $($F/bin/flinc-config --libs)""")
    for name, lines in RESULTS.items():
        result = shell(tmp_path, f"flinc/bin/flink run -t local -p 1 windows.so {name}")
        assert sorted(printed(result.stdout)) == lines, name
