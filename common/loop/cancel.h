/* Cancel tokens: a counted flag that says "stop soon".  Long work looks at it between its pieces; work
 * that waits for descriptors adds cancel_token_fd() to them, so that every wait can be ended.
 *
 * Thread: any. */
#ifndef FLINC_COMMON_LOOP_CANCEL_H
#define FLINC_COMMON_LOOP_CANCEL_H

#include "common/base/error.h"

struct cancel_token;
struct cancel_token *cancel_token_new(void);
struct cancel_token *cancel_token_ref(struct cancel_token *t);
struct cancel_token *cancel_token_unref(struct cancel_token *t); /* NULL is fine; returns NULL */
void cancel_token_cancel(struct cancel_token *t);
bool cancel_token_is_cancelled(const struct cancel_token *t); /* NULL: false */
/* 0, or ERR_CANCELLED with a message that names what was cancelled. */
int cancel_token_check(const struct cancel_token *t, const char *what,
                       struct error *err) MUST_CHECK;
/* A descriptor that is readable once it is cancelled; belongs to the token.  Negative: an error. */
int cancel_token_fd(struct cancel_token *t, struct error *err) MUST_CHECK;

#endif
