/* How far a long statement is, on one line of the terminal that goes again.  It is written to standard error, and only where that is
 * a terminal. */
#include "client/sqlclient/inside.h"

enum { PROGRESS_FIRST_MS = 1000, PROGRESS_EVERY_MS = 500 };

void query_progress_start(struct query_progress *p, const struct shell *sh, int64_t started_ns)
{
    *p = (struct query_progress){.started_ns = started_ns, .is_on = sh->shows_progress};
}

void query_progress_tell(struct query_progress *p, const char *what, uint64_t n_rows)
{
    int64_t now_ns = clock_monotonic_ns(&clock_system);
    double seconds = (double)(now_ns - p->started_ns) * 1e-9;
    if (!p->is_on || now_ns - p->started_ns < PROGRESS_FIRST_MS * (int64_t)1000000 ||
        now_ns - p->told_ns < PROGRESS_EVERY_MS * (int64_t)1000000) {
        return;
    }
    (void)fflush(stdout);
    if (what != NULL) {
        fprintf(stderr, "\r%s, %.0f s\033[K", what, seconds);
    } else {
        fprintf(stderr, "\r%llu %s, %.0f s, %.0f rows/s\033[K", (unsigned long long)n_rows,
                n_rows == 1 ? "row" : "rows", seconds, (double)n_rows / seconds);
    }
    (void)fflush(stderr);
    p->told_ns = now_ns;
    p->is_shown = true;
}

void query_progress_clear(struct query_progress *p)
{
    if (p->is_shown) {
        fprintf(stderr, "\r\033[K");
        (void)fflush(stderr);
        p->is_shown = false;
    }
}
