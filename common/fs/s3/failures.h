/* What a server's answer, or the lack of one, means: for a person, and for whoever asked.  Inside of the room. */
#ifndef FLINC_COMMON_FS_S3_FAILURES_H
#define FLINC_COMMON_FS_S3_FAILURES_H

#include "common/fs/s3/client.h"

/* The answer is this error of S3. */
bool s3_error_is(const struct exchange *x, const char *code);
/* Bytes were changed on the way, says the server. */
bool s3_is_damage(const struct exchange *x);
/* "it answered 403 AccessDenied: ...", appended. */
void s3_say_why(const struct s3_call *call, struct str *ret_text);
/* With the server, the keys' place, and what can be done about it; negative always. */
int s3_failure(const struct s3_call *call, struct error *err) MUST_CHECK;

#endif
