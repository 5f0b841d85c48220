/* What may follow: keywords, catalogs, databases, tables and their columns, functions, keys behind SET '.
 * Names are offered in the case that they have, keywords in that of what was typed. */
#include "client/sqlclient/inside.h"
#include "common/conf/options.h"
#include "engine/expr/function.h"
#include "sql/parser/token.h"
#include <ctype.h>
#include <strings.h>

enum { WORDS_MAX = 2000, TABLES_MAX = 50 };

struct completion {
    struct shell *sh;
    const char *prefix;
    size_t len;
    bool is_lower; /* keywords are offered in lower case */
    struct text_list *words;
};

static bool fits(const struct completion *c, const char *word)
{
    return c->words->n < WORDS_MAX && strncasecmp(word, c->prefix, c->len) == 0;
}

static void offer(struct completion *c, const char *word)
{
    if (fits(c, word) && !text_list_has(c->words, word)) {
        text_list_add(c->words, slice_cstr(word));
    }
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

static void offer_keys(struct completion *c)
{
    struct conf_schema *schema = conf_schema_cluster();
    for (size_t g = 0; g < schema->n_groups; g++) {
        const struct conf_group *group = schema->groups[g];
        for (size_t i = 0; i < group->n_options; i++) {
            const struct conf_option *o = &group->options[i];
            if ((o->flags & CONF_FLAG_INTERNAL) == 0 && strpbrk(o->name, "<#") == NULL) {
                offer(c, o->name);
            }
        }
    }
}

/* ---- the word -------------------------------------------------------------------------------------------------------- */

static bool is_word_char(char ch, bool in_quotes)
{
    return isalnum((unsigned char)ch) || ch == '_' || ch == '$' ||
           ((unsigned char)ch & 0x80) != 0 || (in_quotes && (ch == '.' || ch == '-'));
}

/* Is there a quote open, and does the line set something? */
static bool is_key(struct slice text, size_t cursor)
{
    struct slice line = slice_trim(slice_make(text.data, cursor));
    size_t quotes = 0;
    for (size_t i = 0; i < cursor; i++) {
        quotes += text.data[i] == '\'';
    }
    return quotes == 1 && line.len >= 3 &&
           (strncasecmp(line.data, "SET", 3) == 0 ||
            (line.len >= 5 && strncasecmp(line.data, "RESET", 5) == 0));
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

void complete_word(struct shell *sh, struct slice text, size_t cursor, size_t *ret_start,
                   struct text_list *ret)
{
    bool keys = is_key(text, cursor);
    size_t start = cursor;
    while (start > 0 && is_word_char(text.data[start - 1], keys)) {
        start--;
    }
    struct completion c = {.sh = sh,
                           .prefix = text.data + start,
                           .len = cursor - start,
                           .is_lower = has_lower(text.data + start, cursor - start),
                           .words = ret};
    *ret_start = start;
    if (keys) {
        offer_keys(&c);
        return;
    }
    offer_names(&c);
    if (c.len > 0 && !is_name(text, start)) { /* nothing typed: the names of the session alone */
        offer_keywords(&c);
        offer_functions(&c);
    }
}
