/* Lines that are typed, by libedit: editing, history, completion.  The library is loaded when a person sits at a terminal and
 * never otherwise, so that nothing else depends on it; without it lines are read as the terminal gives them.
 * Thread: the shell's. */
#include "client/sqlclient/complete.h"
#include "common/text/utf8.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { HISTORY_MAX = 5000, LISTED_MAX = 200 };
enum { LINE_READ = 0, LINE_INTERRUPTED = 1, LINE_END = 2 };

/* What is used of the library. */
struct library {
    void *handle;
    EditLine *(*el_init)(const char *name, FILE *in, FILE *out, FILE *err);
    void (*el_end)(EditLine *el);
    const char *(*el_gets)(EditLine *el, int *count);
    int (*el_set)(EditLine *el, int op, ...);
    const LineInfo *(*el_line)(EditLine *el);
    int (*el_insertstr)(EditLine *el, const char *text);
    History *(*history_init)(void);
    void (*history_end)(History *h);
    int (*history)(History *h, HistEvent *event, int op, ...);
};

struct editor {
    struct shell *sh; /* Borrows */
    struct library lib;
    EditLine *el;     /* Owns; NULL: no library */
    History *history; /* Owns */
    char *path;       /* Owns: of the history */
    const char *prompt;
    struct str line; /* without the library */
    int input;     /* the terminal, not blocking; standard input where it cannot be opened again */
    bool is_first; /* no key of this line was read yet */
};

static struct editor *the_editor; /* callbacks of the library know nothing else */

/* ---- the library ------------------------------------------------------------------------------------------------ */

static bool load(struct library *l)
{
    const struct {
        const char *name;
        void **to;
    } symbols[] = {
        {"el_init", (void **)&l->el_init},           {"el_end", (void **)&l->el_end},
        {"el_gets", (void **)&l->el_gets},           {"el_set", (void **)&l->el_set},
        {"el_line", (void **)&l->el_line},           {"el_insertstr", (void **)&l->el_insertstr},
        {"history_init", (void **)&l->history_init}, {"history_end", (void **)&l->history_end},
        {"history", (void **)&l->history},
    };
    l->handle = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; i < ARRAY_LEN(symbols) && l->handle != NULL; i++) {
        *symbols[i].to = dlsym(l->handle, symbols[i].name);
        if (*symbols[i].to == NULL) {
            (void)dlclose(l->handle);
            l->handle = NULL;
        }
    }
    return l->handle != NULL;
}

static char *prompt_of(EditLine *el)
{
    (void)el;
    return (char *)the_editor->prompt;
}

/* One byte, unless Ctrl-C comes first.  1, 0: the end, -1.  Ctrl-C empties what was typed behind the back of whoever was told
 * that there is something, so that a blocking read might wait for ever: the terminal is opened for itself, not to block. */
static int read_byte(struct editor *e, unsigned char *ret)
{
    for (;;) {
        if (interrupt_poll(e->input, -1) < 0) {
            return -1;
        }
        ssize_t n = read(e->input, ret, 1);
        if (n >= 0) {
            return (int)n;
        }
        if (errno != EINTR && errno != EAGAIN) {
            return -1;
        }
    }
}

/* Ctrl-D that was typed where the terminal was not taken: it is given as a byte 0. */
enum { EARLY_END = 0, CONTROL_D = 4 };

/* A character of UTF-8. */
static int read_character(EditLine *el, wchar_t *ret)
{
    char bytes[UTF8_MAX_BYTES];
    unsigned char byte;
    uint32_t point;
    (void)el;
    for (size_t n = 0; n < sizeof(bytes); n++) {
        int rc = read_byte(the_editor, &byte);
        if (rc <= 0) {
            return rc;
        }
        byte = byte == EARLY_END && the_editor->is_first ? CONTROL_D : byte;
        the_editor->is_first = false;
        bytes[n] = (char)byte;
        if (utf8_decode(bytes, n + 1, &point) > 0) {
            *ret = (wchar_t)point;
            return 1;
        }
    }
    *ret = UTF8_REPLACEMENT;
    return 1;
}

/* ---- completion ---------------------------------------------------------------------------------------------------- */

static size_t common_prefix(const struct text_list *words)
{
    size_t n = strlen(words->items[0]);
    for (size_t i = 1; i < words->n; i++) {
        size_t same = 0;
        while (same < n && words->items[i][same] == words->items[0][same]) {
            same++;
        }
        n = same;
    }
    return n;
}

static void show_words(const struct text_list *words)
{
    struct winsize size = {.ws_col = 80};
    size_t width = 1;
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    for (size_t i = 0; i < words->n; i++) {
        width = MAX(width, strlen(words->items[i]) + 2);
    }
    size_t per_line = MAX((size_t)size.ws_col / width, (size_t)1);
    printf("\n");
    for (size_t i = 0; i < MIN(words->n, (size_t)LISTED_MAX); i++) {
        bool ends = (i + 1) % per_line == 0 || i + 1 == words->n;
        printf("%-*s%s", (int)width, words->items[i], ends ? "\n" : "");
    }
    if (words->n > LISTED_MAX) {
        printf("\n... and %zu more\n", words->n - LISTED_MAX);
    }
    (void)fflush(stdout);
}

static unsigned char offer(struct editor *e, EditLine *el, const struct completion *c)
{
    if (c->words.n == 0) {
        if (c->others.n > 0) {
            show_words(&c->others);
            return CC_REDISPLAY;
        }
        return CC_ERROR;
    }
    size_t n = common_prefix(&c->words);
    if (n <= c->len && c->words.n > 1) {
        show_words(&c->words);
        return CC_REDISPLAY;
    }
    char *more = mem_strndup(c->words.items[0] + MIN(c->len, n), n - MIN(c->len, n));
    (void)e->lib.el_insertstr(el, more);
    (void)(c->words.n == 1 ? e->lib.el_insertstr(el, c->tail) : 0);
    mem_free(more);
    return CC_REFRESH;
}

static unsigned char complete(EditLine *el, int key)
{
    struct editor *e = the_editor;
    const LineInfo *info = e->lib.el_line(el);
    struct completion c;
    STR_AUTO before = STR_INIT;
    (void)key;
    if (e->sh->typed != NULL) {
        str_append_slice(&before, str_slice(e->sh->typed));
    }
    str_append(&before, info->buffer, (size_t)(info->cursor - info->buffer));
    completion_find(e->sh, str_slice(&before), &c);
    unsigned char rc = offer(e, el, &c);
    completion_fini(&c);
    return rc;
}

/* ---- life ------------------------------------------------------------------------------------------------------------- */

static char *history_path(const char *given)
{
    const char *home = getenv("HOME");
    struct str path = STR_INIT;
    if (given != NULL) {
        return mem_strdup(given);
    }
    if (home == NULL) {
        return NULL;
    }
    str_printf(&path, "%s/.flink-sql-history", home);
    return str_take(&path);
}

static void open_line(struct editor *e)
{
    struct library *l = &e->lib;
    HistEvent event;
    e->el = l->el_init("flink", stdin, stdout, stderr);
    if (e->el == NULL) {
        return;
    }
    e->history = l->history_init();
    (void)l->el_set(e->el, EL_PROMPT, prompt_of);
    (void)l->el_set(e->el, EL_EDITOR, "emacs");
    (void)l->el_set(e->el, EL_GETCFN, read_character);
    (void)l->el_set(e->el, EL_ADDFN, "flink-complete", "completes a word", complete);
    (void)l->el_set(e->el, EL_BIND, "^I", "flink-complete", NULL);
    (void)l->el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    if (e->history != NULL) {
        (void)l->history(e->history, &event, H_SETSIZE, HISTORY_MAX);
        (void)l->history(e->history, &event, H_SETUNIQUE, 1);
        (void)l->el_set(e->el, EL_HIST, l->history, e->history);
        if (e->path != NULL) {
            (void)l->history(e->history, &event, H_LOAD, e->path); /* there may be none yet */
        }
    }
}

static int open_terminal(void)
{
    char name[128];
    int fd = -1;
    if (ttyname_r(STDIN_FILENO, name, sizeof(name)) == 0) {
        fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    return fd >= 0 ? fd : STDIN_FILENO;
}

struct editor *editor_new(struct shell *sh, const char *history)
{
    if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1) {
        return NULL;
    }
    struct editor *e = MEM_NEW(struct editor);
    e->sh = sh;
    e->prompt = "";
    e->input = open_terminal();
    e->path = history_path(history);
    the_editor = e;
    if (load(&e->lib)) {
        open_line(e);
    }
    return e;
}

struct editor *editor_free(struct editor *e)
{
    if (e == NULL) {
        return NULL;
    }
    if (e->history != NULL) {
        e->lib.history_end(e->history);
    }
    if (e->el != NULL) {
        e->lib.el_end(e->el);
    }
    if (e->input != STDIN_FILENO) {
        (void)close(e->input);
    }
    if (e->lib.handle != NULL) {
        (void)dlclose(e->lib.handle);
    }
    str_fini(&e->line);
    mem_free(e->path);
    mem_free(e);
    the_editor = NULL;
    return NULL;
}

int editor_input(const struct editor *e)
{
    return e->input;
}

void editor_add_history(struct editor *e, const char *statement)
{
    HistEvent event;
    if (e == NULL || e->history == NULL) {
        return;
    }
    (void)e->lib.history(e->history, &event, H_ENTER, statement);
    if (e->path != NULL) {
        (void)e->lib.history(e->history, &event, H_SAVE, e->path); /* a full disk ends no shell */
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

static int read_plain(struct editor *e, const char *prompt, struct slice *ret)
{
    printf("%s", prompt);
    (void)fflush(stdout);
    str_clear(&e->line);
    for (;;) {
        unsigned char byte;
        int rc = read_byte(e, &byte);
        if (rc < 0) {
            return interrupt_came() && !interrupt_is_final() ? LINE_INTERRUPTED : LINE_END;
        }
        if (rc == 0) {
            return LINE_END;
        }
        str_append_char(&e->line, (char)byte);
        if (byte == '\n') {
            *ret = str_slice(&e->line);
            return LINE_READ;
        }
    }
}

/* The library gives the terminal back behind each line.  Taken again, it keeps keys that are typed while a statement runs as
 * they are and does not show them between its rows; Ctrl-C stays a signal. */
static void take_terminal(struct editor *e)
{
    (void)e->lib.el_set(e->el, EL_PREP_TERM, 1);
}

int editor_read(struct editor *e, const char *prompt, struct slice *ret)
{
    int n = 0;
    if (e->el == NULL) {
        return read_plain(e, prompt, ret);
    }
    e->prompt = prompt;
    e->is_first = true;
    take_terminal(e); /* before the prompt: whoever has seen it types */
    const char *line = e->lib.el_gets(e->el, &n);
    take_terminal(e);
    if (line == NULL || n <= 0) {
        return interrupt_came() && !interrupt_is_final() ? LINE_INTERRUPTED : LINE_END;
    }
    *ret = slice_make(line, (size_t)n);
    return LINE_READ;
}
