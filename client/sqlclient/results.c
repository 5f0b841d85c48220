/* What a statement answered, on the terminal: messages, tables, rows as they come.
 * Flink: CliClient.printStatementResult, CliTableauResultView. */
#include "client/sqlclient/inside.h"
#include <errno.h>

enum {
    FETCH_MS = 100,             /* between looks at Ctrl-C */
    HELD_BYTES_MAX = 256 << 20, /* of a batch query's rows, whose widths are measured first */
};

static double seconds_since(int64_t started_ns)
{
    return (double)(clock_monotonic_ns(&clock_system) - started_ns) * 1e-9;
}

static const char *row_term(uint64_t n)
{
    return n > 1 ? "rows" : "row";
}

static void write_out(struct str *out)
{
    (void)fwrite(str_cstr(out), 1, out->len, stdout);
    str_clear(out);
}

/* Whoever reads may have gone away. */
static int flush_out(struct error *err)
{
    errno = 0;
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return 0;
    }
    return error_set_errno(err, errno != 0 ? errno : EPIPE, "writing rows to standard output");
}

/* ---- one printing of rows ----------------------------------------------------------------------------------- */

struct printing {
    struct shell *sh;
    struct sql_answer *a;
    struct sql_cells *cells;
    struct tableau tableau;
    struct vec held; /* struct batch *, Owns: strings that wait for the widths */
    uint64_t held_bytes;
    uint64_t n_rows;
    bool measures; /* widths by the rows: all are read first */
    bool has_header;
    struct str out;
    struct query_progress progress;
};

static void print_strings(struct printing *p, const struct batch *strings)
{
    for (uint32_t i = 0; i < strings->n_sel; i++) {
        tableau_row(&p->tableau, strings, batch_row(strings, i), &p->out);
    }
    write_out(&p->out);
}

static void print_header(struct printing *p)
{
    if (!p->has_header) {
        tableau_header(&p->tableau, &p->out);
        write_out(&p->out);
        p->has_header = true;
    }
}

/* What waited goes out; from now on widths stay. */
static void print_held(struct printing *p)
{
    print_header(p);
    for (size_t i = 0; i < p->held.len; i++) {
        struct batch *b = vec_ptr(&p->held, i);
        print_strings(p, b);
        (void)batch_unref(b);
    }
    p->held.len = 0;
    p->measures = false;
}

static int take_page(struct printing *p, struct batch *take_page, struct error *err)
{
    struct batch *strings = NULL;
    int rc = sql_cells_print(p->cells, p->sh->pool, take_page, &strings, err);
    (void)batch_unref(take_page);
    if (rc < 0 || strings == NULL) {
        return rc;
    }
    p->n_rows += strings->n_sel;
    if (!p->measures) {
        query_progress_clear(&p->progress);
        print_header(p);
        print_strings(p, strings);
        (void)batch_unref(strings);
        return 0;
    }
    tableau_widen(&p->tableau, strings);
    p->held_bytes += batch_pinned_bytes(strings);
    vec_push_ptr(&p->held, strings);
    if (p->held_bytes > HELD_BYTES_MAX) {
        p->tableau.ellipsis = true;
        query_progress_clear(&p->progress);
        print_held(p);
    }
    return 0;
}

/* SQL_FETCHED_END; SQL_FETCHED_NOTHING: interrupted; negative: the job failed. */
static int take_all(struct printing *p, struct error *err)
{
    for (;;) {
        struct batch *page = NULL;
        if (interrupt_came()) {
            return SQL_FETCHED_NOTHING;
        }
        int rc = sql_answer_next(p->a, FETCH_MS, &page, err);
        if (p->measures || p->n_rows == 0) { /* nothing is seen yet */
            query_progress_tell(&p->progress, NULL, p->n_rows);
        }
        if (rc == SQL_FETCHED_ROWS) {
            rc = take_page(p, page, err);
            rc = rc == 0 && ferror(stdout) != 0 ? flush_out(err) : rc;
        } else if (rc == SQL_FETCHED_END) {
            return rc;
        } else if (rc == SQL_FETCHED_NOTHING) {
            rc = flush_out(err); /* a person waits */
        }
        if (rc < 0) {
            return rc;
        }
    }
}

static int printing_init(struct printing *p, struct shell *sh, struct sql_answer *a, bool measures,
                         struct error *err)
{
    int32_t max_width = conf_int(sql_session_conf(sh->session), "table.display.max-column-width");
    *p = (struct printing){.sh = sh, .a = a, .measures = measures, .held = VEC_INIT(void *)};
    TRY(sql_cells_new(a->schema, sql_session_zone(sh->session), &p->cells, err));
    tableau_init(&p->tableau, a->schema, a->kind == SQL_ANSWER_QUERY && a->is_streaming,
                 (uint32_t)MAX(max_width, 1));
    if (measures) {
        tableau_narrow(&p->tableau);
    }
    return 0;
}

static void printing_fini(struct printing *p)
{
    for (size_t i = 0; i < p->held.len; i++) {
        (void)batch_unref(vec_ptr(&p->held, i));
    }
    vec_fini(&p->held);
    tableau_fini(&p->tableau);
    sql_cells_free(p->cells);
    str_fini(&p->out);
}

/* ---- endings --------------------------------------------------------------------------------------------------- */

static void print_bottom(struct printing *p)
{
    if (p->has_header) {
        tableau_line(&p->tableau, &p->out);
        write_out(&p->out);
    }
}

static void print_count(struct printing *p, int64_t started_ns)
{
    const struct conf *conf = sql_session_conf(p->sh->session);
    char cost[48] = "";
    if (p->a->kind == SQL_ANSWER_QUERY && conf_bool(conf, "sql-client.display.print-time-cost")) {
        (void)snprintf(cost, sizeof(cost), " (%.2f seconds)", seconds_since(started_ns));
    }
    if (p->a->is_streaming) {
        printf("Received a total of %llu %s\n", (unsigned long long)p->n_rows, row_term(p->n_rows));
    } else if (p->n_rows == 0) {
        printf("Empty set%s\n", cost);
    } else {
        printf("%llu %s in set%s\n", (unsigned long long)p->n_rows, row_term(p->n_rows), cost);
    }
}

static int print_rows(struct shell *sh, struct sql_answer *a, int64_t started_ns, struct error *err)
{
    struct printing p;
    bool streams = a->kind == SQL_ANSWER_QUERY && a->is_streaming;
    int rc = printing_init(&p, sh, a, !streams, err);
    if (rc == 0 && streams) {
        print_header(&p);
    }
    query_progress_start(&p.progress, sh, started_ns);
    rc = rc < 0 ? rc : take_all(&p, err);
    query_progress_clear(&p.progress);
    if (p.held.len > 0) {
        print_held(&p);
    }
    if (rc >= 0 || p.has_header) {
        print_bottom(&p);
    }
    if (rc == SQL_FETCHED_NOTHING) {
        printf("Query terminated, received a total of %llu %s\n", (unsigned long long)p.n_rows,
               row_term(p.n_rows));
    } else if (rc >= 0) {
        print_count(&p, started_ns);
    }
    printing_fini(&p);
    return rc < 0 ? rc : 0;
}

/* ---- EXPLAIN, SHOW CREATE: text as it is ----------------------------------------------------------------------- */

static int print_raw(struct sql_answer *a, struct error *err)
{
    struct batch *page = NULL;
    int rc;
    while ((rc = sql_answer_next(a, FETCH_MS, &page, err)) == SQL_FETCHED_ROWS) {
        for (uint32_t i = 0; i < page->n_sel; i++) {
            const struct column *c = &page->columns[0];
            struct slice text = column_get_bytes(c, batch_row(page, i));
            (void)fwrite(text.data, 1, text.len, stdout);
            if (text.len == 0 || text.data[text.len - 1] != '\n') {
                fputc('\n', stdout);
            }
        }
        (void)batch_unref(page);
    }
    return rc < 0 ? rc : 0;
}

/* ---- INSERT -------------------------------------------------------------------------------------------------- */

static int print_job(struct shell *sh, struct sql_answer *a, struct error *err)
{
    shell_info(sh, "SQL update statement has been successfully submitted to the cluster:");
    printf("Job ID: %s\n", a->job);
    (void)fflush(stdout);
    if (!conf_bool(sql_session_conf(sh->session), "table.dml-sync")) {
        return 0;
    }
    struct query_progress progress;
    int rc = 0;
    query_progress_start(&progress, sh, clock_monotonic_ns(&clock_system));
    while (rc == 0 && !interrupt_came()) {
        rc = sql_answer_wait(a, FETCH_MS, err);
        query_progress_tell(&progress, "The job runs", 0);
    }
    query_progress_clear(&progress);
    if (rc == 0) {
        (void)!a->executor->cancel(a->executor->arg, a->job, NULL);
        return error_set(err, ERR_CANCELLED, "job %s was cancelled", a->job);
    }
    if (rc > 0) {
        shell_info(sh, "Complete execution of the SQL update statement.");
    }
    return rc < 0 ? rc : 0;
}

int shell_print_answer(struct shell *sh, const struct sql_statement *statement,
                       struct sql_answer *a, int64_t started_ns, struct error *err)
{
    for (size_t i = 0; i < a->notes.n; i++) {
        shell_warning(sh, "%s", a->notes.items[i]);
    }
    switch (a->kind) {
    case SQL_ANSWER_OK:
        if (!sh->options->only_check) {
            shell_info(sh, "%s",
                       statement->kind == SQL_STATEMENT_BEGIN_SET ? "Begin a statement set."
                       : sql_session_is_in_set(sh->session)
                           ? "Add SQL update statement to the statement set."
                           : "Execute statement succeeded.");
        }
        return 0;
    case SQL_ANSWER_JOB:
        return print_job(sh, a, err);
    case SQL_ANSWER_TABLE:
        if (sh->options->only_check) {
            return 0;
        }
        if (statement->kind == SQL_STATEMENT_EXPLAIN ||
            statement->kind == SQL_STATEMENT_SHOW_CREATE) {
            return print_raw(a, err);
        }
        return print_rows(sh, a, started_ns, err);
    default:
        return view_is_wanted(sh, a) ? view_run(sh, a, err) : print_rows(sh, a, started_ns, err);
    }
}
