/* What went wrong with a request, in words and as a code (failures.h). */
#include "common/fs/s3/failures.h"

#include "common/fs/remote/xml.h"

#include <stdio.h>

bool s3_error_is(const struct exchange *x, const char *code)
{
    STR_AUTO found = STR_INIT;
    return x->answer.len > 0 && xml_find(str_slice(&x->answer), "Error/Code", &found) &&
           strcmp(str_cstr(&found), code) == 0;
}

bool s3_is_damage(const struct exchange *x)
{
    static const char *const codes[] = {"XAmzContentSHA256Mismatch", "BadDigest",
                                        "XAmzContentChecksumMismatch"};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (s3_error_is(x, codes[i])) {
            return true;
        }
    }
    return false;
}

void s3_say_why(const struct s3_call *call, struct str *ret_text)
{
    const struct exchange *x = &call->x;
    STR_AUTO code = STR_INIT;
    STR_AUTO message = STR_INIT;
    if (x->code < 0) {
        str_append_cstr(ret_text, x->why.message);
        return;
    }
    if (x->answer.len > 0) {
        (void)xml_find(str_slice(&x->answer), "Error/Code", &code);
        (void)xml_find(str_slice(&x->answer), "Error/Message", &message);
    }
    str_printf(ret_text, "it answered %d%s%s%s%.300s", x->status, code.len > 0 ? " " : "",
               str_cstr(&code), message.len > 0 ? ": " : "", str_cstr(&message));
}

/* A bucket that is not there is no file that is not there: who asks whether a file exists gets to know. */
static enum error_code code_of_answer(const struct exchange *x)
{
    if (s3_error_is(x, "NoSuchBucket")) {
        return ERR_INVALID_CONFIG;
    }
    if (s3_error_is(x, "XAdminUserNotFound")) { /* 404 of versitygw */
        return ERR_PERMISSION;
    }
    switch (x->status) {
    case 301:
    case 307:
        return ERR_INVALID_CONFIG;
    case 401:
    case 403:
        return ERR_PERMISSION;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
    case 412:
        return ERR_ALREADY_EXISTS;
    case 501:
        return ERR_UNSUPPORTED;
    default:
        return x->status >= 500 || x->status == 429 ? ERR_UNAVAILABLE : ERR_IO;
    }
}

/* What a person can do about it. */
static const char *remedy_of(const struct s3_call *call)
{
    static const struct {
        const char *code, *remedy;
    } remedies[] = {
        {"NoSuchBucket", "create the bucket, or check its name and s3.endpoint"},
        {"SignatureDoesNotMatch", "check s3.access-key and s3.secret-key"},
        {"InvalidAccessKeyId", "check s3.access-key and s3.secret-key"},
        {"XAdminUserNotFound", "check s3.access-key and s3.secret-key"},
        {"ExpiredToken", "check fs.s3a.session.token: it is good for a while only"},
        {"InvalidToken", "check fs.s3a.session.token, which belongs to the keys"},
        {"RequestTimeTooSkewed", "set the clock of this machine, or of the server"},
    };
    const struct exchange *x = &call->x;
    if (x->code == ERR_UNAVAILABLE || x->code == ERR_TIMEOUT) {
        return "check s3.endpoint and the network";
    }
    if (x->code == ERR_PERMISSION) {
        return "s3.ssl.ca-file (or AWS_CA_BUNDLE) names a file of the certificates that are "
               "trusted instead of the system's";
    }
    for (size_t i = 0; i < ARRAY_LEN(remedies); i++) {
        bool is_it = s3_error_is(x, remedies[i].code) ||
                     /* HEAD has no words */
                     (call->is_late && x->answer.len == 0 &&
                      strcmp(remedies[i].code, "RequestTimeTooSkewed") == 0);
        if (is_it) {
            return remedies[i].remedy;
        }
    }
    if (x->status == 400 && s3_is_damage(x)) {
        return "bytes were changed on the way: check the network between here and s3.endpoint";
    }
    if (x->status == 301 || x->status == 307) {
        return "the bucket is in another region: check s3.endpoint and s3.region";
    }
    return x->status == 401 || x->status == 403
               ? "check s3.access-key and s3.secret-key, and what they are allowed to do there"
               : NULL;
}

int s3_failure(const struct s3_call *call, struct error *err)
{
    const struct exchange *x = &call->x;
    STR_AUTO why = STR_INIT;
    s3_say_why(call, &why);
    enum error_code code = x->code < 0 ? (enum error_code)x->code : code_of_answer(x);
    char tries[32] = "";
    if (call->n_tries > 1) {
        snprintf(tries, sizeof(tries), " (%u tries)", call->n_tries);
    }
    const char *remedy = remedy_of(call);
    return error_set(err, code, "%s s3://%s/%s at %s with keys of %s: %s%s%s%s", call->doing,
                     call->bucket, call->key, str_cstr(&call->host), call->keys->source,
                     str_cstr(&why), tries, remedy != NULL ? "; " : "",
                     remedy != NULL ? remedy : "");
}
