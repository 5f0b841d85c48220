/* The picture of a view: a title, the state, the names of columns, a page of rows, the keys.  See view.h. */
#include "client/sqlclient/view.h"

enum {
    LINES_ABOVE = 4, /* title, state, a blank line, names */
    LINES_BELOW = 3, /* a blank line, keys */
};

static const char inverse[] = "\033[7m", bold[] = "\033[1m", plain[] = "\033[0m";

const struct view_interval view_intervals[VIEW_INTERVALS] = {
    {"Fastest", 0}, {"50 ms", 50},   {"100 ms", 100},  {"500 ms", 500}, {"1 s", 1000},
    {"5 s", 5000},  {"10 s", 10000}, {"1 min", 60000}, {"-", -1},
};

/* ---- which rows ------------------------------------------------------------------------------------------- */

uint64_t view_page_rows(const struct picture *v)
{
    uint32_t around = LINES_ABOVE + LINES_BELOW;
    return v->lines > around ? v->lines - around : 1;
}

uint64_t view_pages(const struct picture *v)
{
    uint64_t rows = view_page_rows(v);
    return MAX((v->rows->n + rows - 1) / rows, (uint64_t)1);
}

uint64_t view_first_row(const struct picture *v)
{
    uint64_t pages = view_pages(v);
    uint64_t page = v->page == VIEW_PAGE_LAST ? pages : MIN(v->page, pages);
    return (page - 1) * view_page_rows(v);
}

const struct view_row *view_selected_row(const struct picture *v)
{
    return v->selected < 0 ? NULL
                           : view_rows_at(v->rows, view_first_row(v) + (uint64_t)v->selected);
}

/* ---- lines ------------------------------------------------------------------------------------------------- */

/* Line `at` from 1: as much of the text as fits, the rest of the line empty. */
static void put_line(const struct picture *v, uint32_t at, const char *style, struct slice text,
                     struct str *out)
{
    if (at == 0 || at > v->lines) {
        return;
    }
    struct slice shown = text_columns(text, 0, v->columns);
    str_printf(out, "\033[%u;1H%s", at, style);
    str_append_slice(out, shown);
    for (uint32_t i = text_width(shown); style == inverse && i < v->columns; i++) {
        str_append_char(out, ' ');
    }
    str_printf(out, "%s\033[K", plain);
}

static void put_title(const struct picture *v, struct str *out)
{
    STR_AUTO line = STR_INIT;
    const char *text = v->is_row               ? "Row Viewer"
                       : v->tableau->has_kinds ? "SQL Query Result (Changelog)"
                                               : "SQL Query Result (Table)";
    uint32_t n = (uint32_t)strlen(text);
    str_printf(&line, "%*s%s", (int)(v->columns > n ? (v->columns - n) / 2 : 0), "", text);
    put_line(v, 1, inverse, str_slice(&line), out);
}

static void put_state(const struct picture *v, struct str *out)
{
    STR_AUTO line = STR_INIT;
    uint64_t pages = view_pages(v);
    str_printf(&line, " Refresh: %s", v->has_ended ? "finished" : view_intervals[v->interval].name);
    if (v->page == VIEW_PAGE_LAST) {
        str_printf(&line, "    Page: Last of %llu", (unsigned long long)pages);
    } else {
        str_printf(&line, "    Page: %llu of %llu", (unsigned long long)MIN(v->page, pages),
                   (unsigned long long)pages);
    }
    str_printf(&line, "    Rows: %llu    Updated: %s", (unsigned long long)v->rows->n, v->updated);
    put_line(v, 2, "", str_slice(&line), out);
}

static void put_keys(const struct picture *v, struct str *out)
{
    STR_AUTO line = STR_INIT;
    if (v->question != NULL) {
        str_printf(&line, "%s%s", v->question, str_cstr(&v->answer));
        put_line(v, v->lines - 1, "", SLICE_LIT(""), out);
        put_line(v, v->lines, bold, str_slice(&line), out);
        return;
    }
    if (v->is_row) {
        put_line(v, v->lines - 1, "", SLICE_LIT(" Q Back    W/S or arrows: up, down"), out);
    } else {
        put_line(v, v->lines - 1, "",
                 SLICE_LIT(" Q Quit     + Inc Refresh   G Goto Page   N Next Page   O Open Row   "
                           "/ Search"),
                 out);
    }
    str_printf(&line, "%s%s",
               v->is_row ? "" : " R Refresh  - Dec Refresh   L Last Page   P Prev Page   ",
               v->message);
    put_line(v, v->lines, "", str_slice(&line), out);
}

/* ---- a page -------------------------------------------------------------------------------------------------- */

static void put_names(const struct picture *v, struct str *out)
{
    STR_AUTO line = STR_INIT;
    tableau_names(v->tableau, &line);
    put_line(v, LINES_ABOVE, bold, text_columns(str_slice(&line), v->left, v->columns), out);
}

static void put_page(const struct picture *v, struct str *out)
{
    struct slice *cells = mem_zalloc_array(v->rows->n_columns + 1, sizeof(*cells));
    const struct view_row *r = view_rows_at(v->rows, view_first_row(v));
    put_line(v, 3, "", SLICE_LIT(""), out);
    put_names(v, out);
    for (uint64_t i = 0; i < view_page_rows(v); i++) {
        STR_AUTO line = STR_INIT;
        bool is_selected = r != NULL && v->selected >= 0 && (uint64_t)v->selected == i;
        if (r != NULL) {
            view_row_cells(r, v->rows->n_columns, cells);
            tableau_cells(v->tableau, (enum row_kind)r->kind, cells, &line);
            r = r->after;
        }
        put_line(v, LINES_ABOVE + 1 + (uint32_t)i, is_selected ? inverse : "",
                 text_columns(str_slice(&line), v->left, v->columns), out);
    }
    mem_free(cells);
}

/* ---- an open row ----------------------------------------------------------------------------------------------- */

/* Adds the text, in pieces that fit. */
static void put_wrapped(const struct picture *v, struct slice text, uint32_t *line, struct str *out)
{
    uint32_t width = v->columns > 2 ? v->columns - 2 : 1, top = LINES_ABOVE - 1;
    do {
        const char *newline = memchr(text.data, '\n', text.len);
        size_t end = newline != NULL ? (size_t)(newline - text.data) : text.len;
        struct slice piece = text_columns(slice_make(text.data, end), 0, width);
        size_t used = piece.len > 0 ? piece.len : end < text.len ? 0 : text.len;
        used += used < text.len && text.data[used] == '\n' ? 1 : 0;
        if (*line >= v->row_top && top + *line - v->row_top <= v->lines - LINES_BELOW) {
            STR_AUTO shown = STR_INIT;
            str_append_cstr(&shown, "  ");
            str_append_slice(&shown, piece);
            put_line(v, top + *line - v->row_top, "", str_slice(&shown), out);
        }
        ++*line;
        text = slice_make(text.data + used, text.len - used);
    } while (text.len > 0);
}

static void put_row(const struct picture *v, struct str *out)
{
    const struct view_row *r = view_selected_row(v);
    struct slice *cells = mem_zalloc_array(v->rows->n_columns + 1, sizeof(*cells));
    uint32_t line = 0;
    for (uint32_t i = 3; i <= v->lines - 2; i++) {
        put_line(v, i, "", SLICE_LIT(""), out);
    }
    if (r != NULL) {
        view_row_cells(r, v->rows->n_columns, cells);
    }
    for (uint32_t i = 0; r != NULL && i < v->rows->n_columns; i++) {
        STR_AUTO name = STR_INIT;
        const struct field *f = &v->tableau->schema->fields[i];
        str_printf(&name, "%s (", f->name);
        type_print(f->type, &name);
        str_append_cstr(&name, "):");
        put_wrapped(v, str_slice(&name), &line, out);
        put_wrapped(v, cells[i].data != NULL ? cells[i] : SLICE_LIT("<NULL>"), &line, out);
        put_wrapped(v, SLICE_LIT(""), &line, out);
    }
    mem_free(cells);
}

void view_draw(const struct picture *v, struct str *out)
{
    put_title(v, out);
    put_state(v, out);
    if (v->is_row) {
        put_row(v, out);
    } else {
        put_page(v, out);
    }
    if (v->lines > 2) {
        put_line(v, v->lines - 2, "", SLICE_LIT(""), out);
    }
    put_keys(v, out);
}
