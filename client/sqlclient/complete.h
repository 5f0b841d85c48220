/* What may follow the word before the cursor; the parts of complete.c and complete_options.c.  Thread: the shell's. */
#ifndef FLINC_CLIENT_SQLCLIENT_COMPLETE_H
#define FLINC_CLIENT_SQLCLIENT_COMPLETE_H

#include "client/sqlclient/inside.h"

struct completion {
    struct shell *sh;
    const char *prefix; /* Borrows: the word so far */
    size_t len;
    bool is_lower;    /* keywords are offered in lower case */
    const char *tail; /* behind the only word that fits */
    struct text_list words;
    struct text_list others; /* that do not begin with the word: to be shown, nearest first */
};

/* `before` is all of the statement up to the cursor, and outlives the answer. */
void completion_find(struct shell *sh, struct slice before, struct completion *ret);
void completion_fini(struct completion *c);

/* When it begins with the word, whatever the case of its letters. */
void completion_offer(struct completion *c, const char *word);
/* Is the cursor within quotes that hold a key or a value?  Then those are offered; c->prefix is behind the quote. */
bool complete_quoted(struct slice before, struct completion *c);

#endif
