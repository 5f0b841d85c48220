/* The views that fill the screen: rows kept in memory, a picture of some of them, keys.
 *
 *   view_run(): pages --view_rows_put()--> struct view_rows --view_draw()--> text for the terminal
 *
 * `table` shows what the changes add up to, `changelog` the changes themselves.
 * Flink: CliTableResultView, CliChangelogResultView, CliRowView, MaterializedCollectStreamResult.  Thread: the shell's. */
#ifndef FLINC_CLIENT_SQLCLIENT_VIEW_H
#define FLINC_CLIENT_SQLCLIENT_VIEW_H

#include "client/sqlclient/inside.h"

/* ---- view_rows.c ---- */
struct view_row {
    struct view_row *before, *after; /* in the order they came */
    struct view_row *same_hash;
    uint64_t hash;
    uint32_t size;         /* bytes of `cells` */
    uint8_t kind;          /* enum row_kind */
    unsigned char cells[]; /* each: length + 1 as uint32_t, 0 for NULL, and the text */
};

struct view_rows {
    uint32_t n_columns;
    bool adds_up; /* changes are applied; else each one is a row */
    uint64_t limit, n, n_received;
    struct view_row *first, *last; /* Owns */
    struct view_row **buckets;     /* Owns */
    uint64_t n_buckets;
    struct str packed; /* of the row that is being put */
};

/* `limit`: rows kept; older ones go. */
void view_rows_init(struct view_rows *v, uint32_t n_columns, bool adds_up, uint64_t limit);
void view_rows_fini(struct view_rows *v);
/* A batch of strings with their kinds. */
void view_rows_put(struct view_rows *v, const struct batch *strings);
/* NULL behind the last. */
const struct view_row *view_rows_at(const struct view_rows *v, uint64_t i);
/* All cells, in the order of columns; data NULL: NULL. */
void view_row_cells(const struct view_row *row, uint32_t n, struct slice *ret);

/* ---- view_draw.c ---- */
enum { VIEW_PAGE_LAST = 0, VIEW_NOTHING_SELECTED = -1, VIEW_INTERVALS = 9 };
extern const struct view_interval {
    const char *name;
    int64_t ms; /* negative: never */
} view_intervals[VIEW_INTERVALS];

struct picture {
    const struct tableau *tableau; /* Borrows */
    struct view_rows *rows;        /* Borrows */
    uint32_t lines, columns;       /* of the terminal */
    uint64_t page;                 /* from 1; VIEW_PAGE_LAST: whichever is last */
    int64_t selected;              /* a line of the page */
    uint32_t left;                 /* columns of the table that are out of sight */
    uint32_t interval;
    uint32_t row_top;     /* the first line of an open row that is seen */
    bool is_row;          /* the selected row is open */
    bool has_ended;       /* no more rows come */
    char updated[48];     /* "12:34:56.789" */
    const char *question; /* being asked at the bottom; NULL: nothing */
    struct str answer;    /* Owns: typed so far */
    char message[64];
};

uint64_t view_page_rows(const struct picture *v);                  /* that fit */
uint64_t view_pages(const struct picture *v);                      /* at least 1 */
uint64_t view_first_row(const struct picture *v);                  /* of the page that is shown */
const struct view_row *view_selected_row(const struct picture *v); /* NULL: none */
/* The whole screen. */
void view_draw(const struct picture *v, struct str *out);

#endif
