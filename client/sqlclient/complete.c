/* What may follow: keywords, catalogs, databases, tables and their columns, functions; between quotes see complete_options.c.
 * Names are offered in the case that they have, keywords in that of what was typed. */
#include "client/sqlclient/complete.h"
#include "engine/expr/function.h"
#include "sql/parser/token.h"
#include <ctype.h>
#include <strings.h>

enum { WORDS_MAX = 2000, TABLES_MAX = 50 };

enum { OTHERS_MAX = 10, DISTANCE_MAX = 4 };

/* Words of a list that do not fit: those that contain what was typed, else one that is near to it. */
static void keep_other(struct completion *c, const char *word)
{
    char typed[128];
    if (c->len < 3 || c->len >= sizeof(typed) || c->others.n >= OTHERS_MAX) {
        return;
    }
    memcpy(typed, c->prefix, c->len);
    typed[c->len] = '\0';
    int most = MIN((int)c->len / 3, (int)DISTANCE_MAX);
    if ((strcasestr(word, typed) != NULL || cstr_distance(typed, word, most) <= most) &&
        !text_list_has(&c->others, word)) {
        text_list_add(&c->others, slice_cstr(word));
    }
}

void completion_offer(struct completion *c, const char *word)
{
    if (c->words.n >= WORDS_MAX || text_list_has(&c->words, word)) {
        return;
    }
    if (strncasecmp(word, c->prefix, c->len) == 0) {
        text_list_add(&c->words, slice_cstr(word));
    } else {
        keep_other(c, word);
    }
}

static void offer(struct completion *c, const char *word)
{
    completion_offer(c, word);
}

static void offer_all(struct completion *c, const struct text_list *words)
{
    for (size_t i = 0; i < words->n; i++) {
        offer(c, words->items[i]);
    }
}

static void offer_in_case(struct completion *c, const char *word)
{
    char lower[64];
    size_t n = MIN(strlen(word), sizeof(lower) - 1);
    for (size_t i = 0; i < n; i++) {
        lower[i] = c->is_lower ? (char)tolower((unsigned char)word[i]) : word[i];
    }
    lower[n] = '\0';
    offer(c, lower);
}

/* ---- kinds of words ---------------------------------------------------------------------------------------------- */

static void offer_keywords(struct completion *c)
{
    for (int i = 1; i < SQL_KEYWORD_COUNT; i++) {
        offer_in_case(c, sql_keyword_name((enum sql_keyword)i));
    }
}

static void offer_functions(struct completion *c)
{
    for (uint32_t i = 0; i < expr_function_count(); i++) {
        const struct expr_function *f = expr_function_at(i);
        if ((f->flags & (EXPR_FN_HIDDEN | EXPR_FN_OPERATOR)) == 0) {
            offer_in_case(c, f->name);
        }
    }
}

static void offer_columns(struct completion *c, const struct text_list *tables)
{
    struct sql_manager *m = sql_session_manager(c->sh->session);
    for (size_t i = 0; i < MIN(tables->n, (size_t)TABLES_MAX); i++) {
        const struct sql_identifier id = {
            sql_manager_catalog(m), sql_manager_database(m), tables->items[i], {0, 0}};
        struct sql_table *t = NULL;
        bool is_temporary;
        if (sql_manager_find_table(m, &id, &t, &is_temporary, NULL) != 1) {
            continue;
        }
        for (uint32_t k = 0; k < t->n_columns; k++) {
            offer(c, t->columns[k].name);
        }
        sql_table_unref(t);
    }
}

static void offer_names(struct completion *c)
{
    struct sql_manager *m = sql_session_manager(c->sh->session);
    struct text_list tables = TEXT_LIST_INIT, catalogs = TEXT_LIST_INIT;
    if (sql_manager_list_tables(m, sql_manager_catalog(m), sql_manager_database(m), SQL_LISTED_ALL,
                                &tables, NULL) == 0) {
        offer_all(c, &tables);
        offer_columns(c, &tables);
    }
    if (sql_manager_list_catalogs(m, &catalogs, NULL) == 0) {
        offer_all(c, &catalogs);
    }
    text_list_fini(&tables);
    text_list_fini(&catalogs);
}

/* ---- the word -------------------------------------------------------------------------------------------------------- */

static bool is_word_char(char ch)
{
    return isalnum((unsigned char)ch) || ch == '_' || ch == '$' || ((unsigned char)ch & 0x80) != 0;
}

/* Behind FROM, JOIN, INTO, ... stands a name and nothing else. */
static bool is_name(struct slice text, size_t start)
{
    static const char *const words[] = {"FROM", "JOIN",     "INTO", "TABLE",
                                        "VIEW", "DESCRIBE", "DESC"};
    struct slice before = slice_trim(slice_make(text.data, start));
    size_t n = 0;
    while (n < before.len && isalpha((unsigned char)before.data[before.len - 1 - n])) {
        n++;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (n == strlen(words[i]) && strncasecmp(before.data + before.len - n, words[i], n) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_lower(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (islower((unsigned char)text[i])) {
            return true;
        }
    }
    return false;
}

/* Outside of quotes. */
static void complete_names(struct slice before, struct completion *c)
{
    size_t start = before.len;
    while (start > 0 && is_word_char(before.data[start - 1])) {
        start--;
    }
    c->prefix = before.data + start;
    c->len = before.len - start;
    c->is_lower = has_lower(c->prefix, c->len);
    offer_names(c);
    if (c->len > 0 && !is_name(before, start)) { /* nothing typed: the names of the session alone */
        offer_keywords(c);
        offer_functions(c);
    }
}

void completion_find(struct shell *sh, struct slice before, struct completion *ret)
{
    *ret = (struct completion){
        .sh = sh, .tail = " ", .words = TEXT_LIST_INIT, .others = TEXT_LIST_INIT};
    if (!complete_quoted(before, ret)) {
        complete_names(before, ret);
    }
}

void completion_fini(struct completion *c)
{
    text_list_fini(&c->words);
    text_list_fini(&c->others);
}
