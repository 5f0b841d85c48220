/* What the files of this room share: the shell, its executors, and what it prints with. */
#ifndef FLINC_CLIENT_SQLCLIENT_INSIDE_H
#define FLINC_CLIENT_SQLCLIENT_INSIDE_H

#include "client/sqlclient/sqlclient.h"
#include "sql/session/cells.h"
#include "sql/session/session.h"
#include <stdio.h>

/* ---- embedded.c: a mini cluster per job, in this process ---- */
struct embedded;
struct embedded *embedded_new(void);
/* Cancels what runs. */
struct embedded *embedded_free(struct embedded *e);
const struct sql_executor *embedded_executor(struct embedded *e);
/* The id of a job that runs, for the one who waits for all; NULL: none. */
const char *embedded_running(struct embedded *e);

/* ---- remote.c: a cluster, over REST ---- */
struct remote;
int remote_new(const struct conf *conf, struct remote **ret, struct error *err) MUST_CHECK;
struct remote *remote_free(struct remote *r);
const struct sql_executor *remote_executor_of(struct remote *r);

struct result_fetcher;
/* result_fetcher_next() as enum sql_fetched. */
int sqlclient_fetch(struct result_fetcher *f, int64_t timeout_ms, struct batch **ret_page,
                    struct error *err) MUST_CHECK;

/* ---- interrupt.c: Ctrl-C ---- */
void interrupt_install(void);
bool interrupt_came(void);     /* since the last clear */
bool interrupt_is_final(void); /* SIGTERM, SIGHUP: the shell is to end */
void interrupt_clear(void);
/* Waits for something to be read of `fd` (negative: for the time alone).  1: there is, or its end; 0: the time is over (negative:
 * never); -1: interrupted, or the wait failed. */
int interrupt_poll(int fd, int64_t timeout_ms) MUST_CHECK;

/* ---- the shell ---- */
struct editor;
struct shell {
    const struct sqlclient_options *options;
    struct sql_session *session; /* Owns */
    struct embedded *embedded;   /* Owns; NULL: remote */
    struct remote *remote;       /* Owns; NULL: embedded */
    struct editor *editor;       /* Owns; NULL: nobody types */
    const struct str
        *typed; /* Borrows: earlier lines of the statement that is being typed; NULL: none */
    struct buffer_pool *pool; /* Owns; of what is printed */
    bool is_interactive;      /* a person types: errors do not end it */
    bool has_colours;
    bool shows_progress; /* standard error is a terminal */
    bool is_over;        /* QUIT */
    uint32_t source_depth;
};

/* statements.c: the statements of a text, one after the other; `name` is the file for messages (NULL: none).  Stops at the
 * first that fails: 1 exit code; 0; 130 when it was interrupted. */
int shell_run_script(struct shell *sh, const char *name, struct slice text);
int shell_run_file(struct shell *sh, const char *path);
/* Executes and prints one.  0, or negative: it has failed and that was said. */
int shell_run_statement(struct shell *sh, struct slice text);

/* messages.c */
void shell_info(const struct shell *sh, const char *fmt, ...) PRINTF(2, 3);
void shell_warning(const struct shell *sh, const char *fmt, ...) PRINTF(2, 3);
/* "[ERROR] Could not execute SQL statement. Reason:", the message, and the line with the place underlined.  `text` without
 * data: there is no place. */
void shell_error(const struct shell *sh, const struct error *err, struct slice text,
                 const struct sql_error_place *place);
void shell_help(void);

/* results.c: what a statement answered, until it ends or is interrupted.  0, or negative: the job failed. */
int shell_print_answer(struct shell *sh, const struct sql_statement *statement,
                       struct sql_answer *a, int64_t started_ns, struct error *err) MUST_CHECK;

/* ---- progress.c: how far a long statement is ---- */
struct query_progress {
    int64_t started_ns, told_ns;
    bool is_on, is_shown;
};
void query_progress_start(struct query_progress *p, const struct shell *sh, int64_t started_ns);
/* "job runs, 12 s", or without `what` the rows so far; seldom enough to be called often. */
void query_progress_tell(struct query_progress *p, const char *what, uint64_t n_rows);
/* Before something else is printed. */
void query_progress_clear(struct query_progress *p);

/* ---- tableau.c: tables with borders ---- */
struct tableau {
    const struct schema *schema; /* Borrows */
    bool has_kinds;              /* the column `op` */
    bool ellipsis;               /* longer cells end with ... */
    uint32_t n;
    uint32_t *widths; /* Owns; by column */
};
/* Widths by the types, for rows that come one by one; `max_width` of columns whose type does not say. */
void tableau_init(struct tableau *t, const struct schema *schema, bool has_kinds,
                  uint32_t max_width);
/* Makes columns as wide as the cells of a batch of strings are. */
void tableau_widen(struct tableau *t, const struct batch *strings);
/* Widths of the names alone, to be widened. */
void tableau_narrow(struct tableau *t);
void tableau_fini(struct tableau *t);
void tableau_line(const struct tableau *t, struct str *out);
void tableau_header(const struct tableau *t, struct str *out);
/* A row of a batch of strings. */
void tableau_row(const struct tableau *t, const struct batch *strings, uint32_t row,
                 struct str *out);
/* A row by its cells, data NULL: NULL. */
void tableau_cells(const struct tableau *t, enum row_kind kind, const struct slice *cells,
                   struct str *out);
/* The names of the columns, as a row has its cells; no line end. */
void tableau_names(const struct tableau *t, struct str *out);
uint32_t tableau_width(const struct tableau *t); /* columns of a terminal that a row takes */
/* Columns of a terminal that a text takes. */
uint32_t text_width(struct slice text);
/* What of a text stands in the columns from `from` on, `n` at most. */
struct slice text_columns(struct slice text, uint32_t from, uint32_t n);

/* ---- view.c: results that fill the screen ---- */
/* Is there a screen, and does sql-client.execution.result-mode say so? */
bool view_is_wanted(const struct shell *sh, const struct sql_answer *a);
/* Until a person leaves it.  0, or negative: the job failed. */
int view_run(struct shell *sh, struct sql_answer *a, struct error *err) MUST_CHECK;

/* ---- editor.c: lines that are typed ---- */
/* NULL: there is no terminal. */
struct editor *editor_new(struct shell *sh, const char *history);
struct editor *editor_free(struct editor *e);
int editor_input(const struct editor *e); /* the terminal, to be read without blocking */
/* The next line with its line end, valid until the next call.  0: there is one, 1: Ctrl-C, 2: the end. */
int editor_read(struct editor *e, const char *prompt, struct slice *ret);
void editor_add_history(struct editor *e, const char *statement);

#endif
