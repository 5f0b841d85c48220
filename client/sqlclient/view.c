/* The views that fill the screen, at work: rows as they come, keys as they are typed.  See view.h. */
#include "client/sqlclient/view.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    FETCH_MS = 50,   /* between looks at the keyboard */
    IDLE_MS = 1000,  /* behind the end: between looks at the terminal's size */
    ESCAPE_MS = 100, /* the rest of a key that begins with Escape comes within */
    SMALLEST_LINES = 8,
    INTERVAL_FIRST = 4, /* 1 s */
    ANSWER_MAX = 200,
};

/* The values of sql-client.execution.result-mode. */
enum { MODE_TABLE, MODE_CHANGELOG, MODE_TABLEAU };

/* Keys that are no characters. */
enum key {
    KEY_NONE = 0,
    KEY_ESCAPE = 27,
    KEY_UP = 256,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_HOME,
    KEY_END,
    KEY_OTHER,
};

struct running {
    struct picture v;
    struct shell *sh;
    struct sql_answer *a;
    struct sql_cells *cells;
    struct tableau tableau;
    struct view_rows rows;
    int input;
    int64_t drawn_ns; /* 0: at once */
    bool is_over, has_news;
    void (*on_answer)(struct running *r);
};

/* ---- keys -------------------------------------------------------------------------------------------------- */

/* The next byte, or -1 when none comes within the time. */
static int read_key_byte(const struct running *r, int64_t timeout_ms)
{
    unsigned char byte;
    if (interrupt_poll(r->input, timeout_ms) != 1) {
        return -1;
    }
    ssize_t n = read(r->input, &byte, 1);
    return n == 1 ? byte : n < 0 && (errno == EAGAIN || errno == EINTR) ? -1 : 'q'; /* hung up */
}

/* ESC [ A, ESC O A, ESC [ 5 ~ */
static int read_escape(const struct running *r)
{
    static const struct {
        char last;
        int number; /* in front of '~'; 0: none */
        int key;
    } keys[] = {{'A', 0, KEY_UP},   {'B', 0, KEY_DOWN},      {'C', 0, KEY_RIGHT},
                {'D', 0, KEY_LEFT}, {'H', 0, KEY_HOME},      {'F', 0, KEY_END},
                {'~', 1, KEY_HOME}, {'~', 4, KEY_END},       {'~', 5, KEY_PAGE_UP},
                {'~', 7, KEY_HOME}, {'~', 6, KEY_PAGE_DOWN}, {'~', 8, KEY_END}};
    int byte = read_key_byte(r, ESCAPE_MS), number = 0;
    if (byte != '[' && byte != 'O') {
        return byte < 0 ? KEY_ESCAPE : KEY_OTHER;
    }
    while ((byte = read_key_byte(r, ESCAPE_MS)) >= 0 && (isdigit(byte) || byte == ';')) {
        number = byte == ';' ? 0 : MIN(number * 10 + byte - '0', 999);
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i].last == byte && (byte != '~' || keys[i].number == number)) {
            return keys[i].key;
        }
    }
    return KEY_OTHER;
}

static int read_key(const struct running *r, int64_t timeout_ms)
{
    int byte = read_key_byte(r, timeout_ms);
    return byte < 0 ? KEY_NONE : byte == KEY_ESCAPE ? read_escape(r) : byte;
}

/* ---- what keys do ------------------------------------------------------------------------------------------- */

static void say(struct running *r, const char *text)
{
    (void)snprintf(r->v.message, sizeof(r->v.message), "%s", text);
}

static void go_to_page(struct running *r, uint64_t page)
{
    uint64_t pages = view_pages(&r->v);
    r->v.page = page >= pages && page != VIEW_PAGE_LAST ? pages : page;
    r->v.selected = VIEW_NOTHING_SELECTED;
}

static uint64_t shown_page(const struct running *r)
{
    return view_first_row(&r->v) / view_page_rows(&r->v) + 1;
}

/* Rows of a page that stays are what a selection means: it leaves the last page alone that moves on. */
static void select_row(struct running *r, int64_t at)
{
    uint64_t first = view_first_row(&r->v);
    uint64_t there = r->rows.n > first ? MIN(r->rows.n - first, view_page_rows(&r->v)) : 0;
    if (there == 0 || at < 0) {
        r->v.selected = VIEW_NOTHING_SELECTED;
        return;
    }
    r->v.page = shown_page(r);
    r->v.selected = MIN(at, (int64_t)there - 1);
}

static void on_page(struct running *r)
{
    char *end = NULL;
    unsigned long long page = strtoull(str_cstr(&r->v.answer), &end, 10);
    if (r->v.answer.len == 0 || *end != '\0' || page == 0 || page > view_pages(&r->v)) {
        say(r, "There is no such page.");
    } else {
        go_to_page(r, page);
    }
}

static bool has_text(const struct running *r, const struct view_row *row, struct slice *cells)
{
    struct slice wanted = str_slice(&r->v.answer);
    view_row_cells(row, r->rows.n_columns, cells);
    for (uint32_t i = 0; i < r->rows.n_columns; i++) {
        if (cells[i].data != NULL &&
            memmem(cells[i].data, cells[i].len, wanted.data, wanted.len) != NULL) {
            return true;
        }
    }
    return false;
}

/* The next row below the selected one, or below the begin of the page; from the top again behind the last. */
static void on_search(struct running *r)
{
    struct slice *cells = mem_zalloc_array(r->rows.n_columns + 1, sizeof(*cells));
    uint64_t n = r->rows.n, from = view_first_row(&r->v);
    from = r->v.selected >= 0 ? from + (uint64_t)r->v.selected + 1 : from;
    const struct view_row *row = view_rows_at(&r->rows, from);
    bool is_found = false;
    for (uint64_t i = 0; i < n && r->v.answer.len > 0 && !is_found; i++) {
        if (row == NULL) {
            row = r->rows.first;
        }
        is_found = has_text(r, row, cells);
        if (is_found) {
            uint64_t at = (from + i) % n;
            r->v.page = at / view_page_rows(&r->v) + 1;
            r->v.selected = (int64_t)(at % view_page_rows(&r->v));
        }
        row = row->after;
    }
    mem_free(cells);
    say(r, is_found ? "" : "Not found.");
}

static void ask(struct running *r, const char *question, void (*on_answer)(struct running *r))
{
    r->v.question = question;
    r->on_answer = on_answer;
    str_clear(&r->v.answer);
}

static void on_key_of_question(struct running *r, int key)
{
    if (key == '\r' || key == '\n') {
        r->v.question = NULL;
        r->on_answer(r);
    } else if (key == KEY_ESCAPE) {
        r->v.question = NULL;
    } else if ((key == 127 || key == '\b') && r->v.answer.len > 0) {
        r->v.answer.len--;
        r->v.answer.data[r->v.answer.len] = '\0';
    } else if (key >= ' ' && key < 256 && key != 127 && r->v.answer.len < ANSWER_MAX) {
        str_append_char(&r->v.answer, (char)key);
    }
}

static void on_key_of_row(struct running *r, int key)
{
    switch (tolower(key)) {
    case 'q':
    case KEY_ESCAPE:
        r->v.is_row = false;
        break;
    case 's':
    case KEY_DOWN:
        r->v.row_top++;
        break;
    case 'w':
    case KEY_UP:
        r->v.row_top -= r->v.row_top > 0 ? 1 : 0;
        break;
    default:
        break;
    }
}

static void move(struct running *r, int key)
{
    uint32_t step = MAX(r->v.columns / 2, 1u);
    uint64_t page = shown_page(r);
    switch (key) {
    case KEY_UP:
        select_row(r, r->v.selected < 0 ? (int64_t)view_page_rows(&r->v) : r->v.selected - 1);
        break;
    case KEY_DOWN:
        select_row(r, r->v.selected + 1);
        break;
    case KEY_LEFT:
        r->v.left -= MIN(step, r->v.left);
        break;
    case KEY_RIGHT:
        r->v.left += r->v.left + r->v.columns < tableau_width(&r->tableau) ? step : 0;
        break;
    case KEY_PAGE_UP:
        go_to_page(r, MAX(page - 1, (uint64_t)1));
        break;
    case KEY_PAGE_DOWN:
        go_to_page(r, page + 1);
        break;
    case KEY_HOME:
        go_to_page(r, 1);
        break;
    default:
        go_to_page(r, VIEW_PAGE_LAST);
    }
}

static void open_row(struct running *r)
{
    if (view_selected_row(&r->v) == NULL) {
        select_row(r, 0);
    }
    r->v.is_row = view_selected_row(&r->v) != NULL;
    r->v.row_top = 0;
}

static void on_key_of_page(struct running *r, int key)
{
    static const struct {
        int key, moves;
    } moves[] = {{'w', KEY_UP},
                 {'s', KEY_DOWN},
                 {'a', KEY_LEFT},
                 {'d', KEY_RIGHT},
                 {'n', KEY_PAGE_DOWN},
                 {'p', KEY_PAGE_UP},
                 {'f', KEY_HOME},
                 {'l', KEY_END},
                 {KEY_UP, KEY_UP},
                 {KEY_DOWN, KEY_DOWN},
                 {KEY_LEFT, KEY_LEFT},
                 {KEY_RIGHT, KEY_RIGHT},
                 {KEY_PAGE_UP, KEY_PAGE_UP},
                 {KEY_PAGE_DOWN, KEY_PAGE_DOWN},
                 {KEY_HOME, KEY_HOME},
                 {KEY_END, KEY_END}};
    int small = key < 256 ? tolower(key) : key;
    for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
        if (moves[i].key == small) {
            move(r, moves[i].moves);
            return;
        }
    }
    switch (small) {
    case 'q':
    case KEY_ESCAPE:
        r->is_over = true;
        break;
    case '+':
        r->v.interval = MIN(r->v.interval + 1, (uint32_t)VIEW_INTERVALS - 1);
        break;
    case '-':
        r->v.interval -= r->v.interval > 0 ? 1 : 0;
        break;
    case 'o':
    case '\r':
    case '\n':
        open_row(r);
        break;
    case 'g':
        ask(r, "Enter page number: ", on_page);
        break;
    case '/':
        ask(r, "Search: ", on_search);
        break;
    default: /* R: drawn anew */
        break;
    }
}

static void on_key(struct running *r, int key)
{
    say(r, "");
    if (r->v.question != NULL) {
        on_key_of_question(r, key);
    } else if (r->v.is_row) {
        on_key_of_row(r, key);
    } else {
        on_key_of_page(r, key);
    }
    r->drawn_ns = 0;
}

/* ---- the screen ----------------------------------------------------------------------------------------------- */

static bool read_size(struct picture *v)
{
    struct winsize size = {.ws_row = 0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) {
        size.ws_row = 24;
        size.ws_col = 80;
    }
    bool is_new = v->lines != size.ws_row || v->columns != size.ws_col;
    v->lines = MAX((uint32_t)size.ws_row, (uint32_t)SMALLEST_LINES);
    v->columns = size.ws_col;
    return is_new;
}

static void draw(struct running *r)
{
    STR_AUTO out = STR_INIT;
    struct timespec now;
    struct tm local;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &local) != NULL) {
        (void)snprintf(r->v.updated, sizeof(r->v.updated), "%02d:%02d:%02d.%03d",
                       local.tm_hour % 24, local.tm_min % 60, local.tm_sec % 61,
                       (int)(now.tv_nsec / 1000000 % 1000));
    }
    view_draw(&r->v, &out);
    (void)fwrite(str_cstr(&out), 1, out.len, stdout);
    (void)fflush(stdout);
    r->drawn_ns = clock_monotonic_ns(&clock_system);
    r->has_news = false;
}

/* When a key was typed, the size has changed, or rows have come and it is time. */
static void draw_if_due(struct running *r)
{
    int64_t every_ms = view_intervals[r->v.interval].ms;
    int64_t since_ns = clock_monotonic_ns(&clock_system) - r->drawn_ns;
    bool is_time = every_ms >= 0 && since_ns >= every_ms * 1000000;
    if (read_size(&r->v) || r->drawn_ns == 0 || (r->has_news && (is_time || r->v.has_ended))) {
        draw(r);
    }
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

static int take_page(struct running *r, struct batch *take_page, struct error *err)
{
    struct batch *strings = NULL;
    int rc = sql_cells_print(r->cells, r->sh->pool, take_page, &strings, err);
    (void)batch_unref(take_page);
    if (rc < 0 || strings == NULL) {
        return rc;
    }
    view_rows_put(&r->rows, strings);
    if (!r->a->is_streaming) {
        tableau_widen(&r->tableau, strings);
    }
    (void)batch_unref(strings);
    r->has_news = true;
    return 0;
}

/* Until it is left, or the job has failed. */
static int run(struct running *r, struct error *err)
{
    while (!r->is_over && !interrupt_came() && ferror(stdout) == 0) {
        struct batch *page = NULL;
        draw_if_due(r);
        for (int key;
             !r->is_over && (key = read_key(r, r->v.has_ended ? IDLE_MS : 0)) != KEY_NONE;) {
            on_key(r, key);
            draw_if_due(r);
        }
        if (r->is_over || r->v.has_ended || interrupt_came()) {
            continue;
        }
        int rc = sql_answer_next(r->a, FETCH_MS, &page, err);
        if (rc == SQL_FETCHED_ROWS) {
            rc = take_page(r, page, err);
        } else if (rc == SQL_FETCHED_END) {
            r->v.has_ended = true;
            r->drawn_ns = 0;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static void take_screen(struct termios *ret_before, bool *ret_has_before)
{
    *ret_has_before = tcgetattr(STDIN_FILENO, ret_before) == 0;
    if (*ret_has_before) {
        struct termios raw = *ret_before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    printf("\033[?1049h\033[?25l\033[2J"); /* a screen of its own, without a cursor, empty */
}

static void give_screen_back(const struct termios *before, bool has_before)
{
    printf("\033[?25h\033[?1049l");
    (void)fflush(stdout);
    if (has_before) {
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, before);
    }
}

static int mode_of(const struct shell *sh)
{
    return conf_enum(sql_session_conf(sh->session), "sql-client.execution.result-mode");
}

bool view_is_wanted(const struct shell *sh, const struct sql_answer *a)
{
    const char *term = getenv("TERM");
    bool has_screen = sh->editor != NULL && term != NULL && strcmp(term, "dumb") != 0;
    return has_screen && a->kind == SQL_ANSWER_QUERY && mode_of(sh) != MODE_TABLEAU;
}

int view_run(struct shell *sh, struct sql_answer *a, struct error *err)
{
    const struct conf *conf = sql_session_conf(sh->session);
    bool changes = mode_of(sh) == MODE_CHANGELOG, has_before;
    int32_t limit = conf_int(conf, "sql-client.execution.max-table-result.rows");
    struct running r = {.sh = sh, .a = a, .input = editor_input(sh->editor)};
    struct termios before;
    if (changes && !a->is_streaming) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Results of batch queries can only be served in table or tableau mode.");
    }
    TRY(sql_cells_new(a->schema, sql_session_zone(sh->session), &r.cells, err));
    tableau_init(&r.tableau, a->schema, changes,
                 (uint32_t)MAX(conf_int(conf, "table.display.max-column-width"), 1));
    if (!a->is_streaming) {
        tableau_narrow(&r.tableau);
    }
    view_rows_init(&r.rows, a->schema->n_fields, !changes,
                   limit > 0 ? (uint64_t)limit : UINT64_MAX);
    r.v = (struct picture){.tableau = &r.tableau,
                           .rows = &r.rows,
                           .selected = VIEW_NOTHING_SELECTED,
                           .interval = INTERVAL_FIRST};
    take_screen(&before, &has_before);
    int rc = run(&r, err);
    give_screen_back(&before, has_before);
    if (rc == 0) {
        shell_info(sh, "Result retrieval %s.", r.v.has_ended ? "finished" : "cancelled");
    }
    view_rows_fini(&r.rows);
    str_fini(&r.v.answer);
    tableau_fini(&r.tableau);
    sql_cells_free(r.cells);
    return rc;
}
