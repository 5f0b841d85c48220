/* Errors and the assertion handler.  The table of codes is made of ERROR_CODES in error.h; a code's
 * class decides what the job master does with a failure.
 *
 * Thread: any; nothing here keeps state.  Formatting goes through a local buffer first, so that a
 * message may quote the error that it replaces. */
#include "common/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct error_code_row {
    int code;
    const char *name;
    enum error_class cls;
    const char *text;
};

static const struct error_code_row code_rows[] = {
#define ERROR_CODE_ROW(name, value, cls, text) {(value), #name, ERROR_CLASS_##cls, (text)},
    ERROR_CODES(ERROR_CODE_ROW)
#undef ERROR_CODE_ROW
};

/* How the errno values that mean something to a restart strategy map; all others are ERR_IO. */
static const struct {
    int errno_value;
    int code;
} errno_rows[] = {
    {ENOENT, ERR_NOT_FOUND},
    {ESRCH, ERR_NOT_FOUND},
    {ENOTDIR, ERR_NOT_FOUND},
    {EEXIST, ERR_ALREADY_EXISTS},
    {EADDRINUSE, ERR_LIMIT},
    {EACCES, ERR_PERMISSION},
    {EPERM, ERR_PERMISSION},
    {EROFS, ERR_PERMISSION},
    {EINVAL, ERR_INVALID_ARGUMENT},
    {ENAMETOOLONG, ERR_INVALID_ARGUMENT},
    {EFBIG, ERR_TOO_LARGE},
    {EMSGSIZE, ERR_TOO_LARGE},
    {ENOSYS, ERR_UNSUPPORTED},
    {EOPNOTSUPP, ERR_UNSUPPORTED},
    {ENOSPC, ERR_NO_SPACE},
    {EDQUOT, ERR_NO_SPACE},
    {ENOMEM, ERR_OUT_OF_MEMORY},
    {ETIMEDOUT, ERR_TIMEOUT},
    {ECANCELED, ERR_CANCELLED},
    {EMFILE, ERR_LIMIT},
    {ENFILE, ERR_LIMIT},
    {EAGAIN, ERR_UNAVAILABLE},
    {ECONNREFUSED, ERR_UNAVAILABLE},
    {ECONNRESET, ERR_UNAVAILABLE},
    {ECONNABORTED, ERR_UNAVAILABLE},
    {ENETUNREACH, ERR_UNAVAILABLE},
    {EHOSTUNREACH, ERR_UNAVAILABLE},
    {EPIPE, ERR_UNAVAILABLE},
    {ENOTCONN, ERR_UNAVAILABLE},
    {ENETDOWN, ERR_UNAVAILABLE},
};

static const char *const class_names[] = {
    [ERROR_CLASS_USER] = "user",
    [ERROR_CLASS_TRANSIENT] = "transient",
    [ERROR_CLASS_FATAL] = "fatal",
    [ERROR_CLASS_BUG] = "bug",
};

static const struct error_code_row *code_row(int code)
{
    size_t i = code <= 0 ? (size_t)(-(int64_t)code) : ARRAY_LEN(code_rows);
    return i < ARRAY_LEN(code_rows) ? &code_rows[i] : NULL;
}

const char *error_code_name(int code)
{
    const struct error_code_row *row = code_row(code);
    return row != NULL ? row->name : "UNKNOWN";
}

const char *error_code_text(int code)
{
    const struct error_code_row *row = code_row(code);
    return row != NULL ? row->text : "unknown error";
}

const char *error_class_name(enum error_class cls)
{
    return (size_t)cls < ARRAY_LEN(class_names) ? class_names[cls] : "unknown";
}

enum error_class error_code_class(int code)
{
    const struct error_code_row *row = code_row(code);
    return row != NULL ? row->cls : ERROR_CLASS_BUG;
}

int error_code_from_errno(int errno_value)
{
    for (size_t i = 0; i < ARRAY_LEN(errno_rows); i++) {
        if (errno_rows[i].errno_value == errno_value) {
            return errno_rows[i].code;
        }
    }
    return ERR_IO;
}

/* Copies text that may be too long, and cuts it between two UTF-8 characters. */
static size_t copy_cut(char *dst, size_t size, const char *src, size_t len)
{
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)src[len] & 0xC0) == 0x80) {
            len--;
        }
    }
    memcpy(dst, src, len);
    dst[len] = '\0';
    return len;
}

static void set_text(struct error *err, int code, const char *file, int line, const char *text,
                     size_t len)
{
    err->code = code;
    err->cls = error_code_class(code);
    err->file = file;
    err->line = line;
    copy_cut(err->message, sizeof(err->message), text, len);
    err->frames[0] = '\0';
}

int error_set_at(struct error *err, int code, const char *file, int line, const char *fmt, ...)
{
    ASSERT(code < 0);
    if (err != NULL) {
        char text[ERROR_MESSAGE_MAX + 4]; /* room to see where the cut character begins */
        va_list ap;
        va_start(ap, fmt);
        int len = vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        set_text(err, code, file, line, text, len > 0 ? strlen(text) : 0);
    }
    return code;
}

int error_set_errno_at(struct error *err, int errno_value, const char *file, int line,
                       const char *fmt, ...)
{
    int code = error_code_from_errno(errno_value);
    if (err != NULL) {
        char reason_buf[128];
        const char *reason = strerror_r(errno_value, reason_buf, sizeof(reason_buf));
        char what[ERROR_MESSAGE_MAX - 128]; /* a long path must not push the reason out */
        char text[ERROR_MESSAGE_MAX + 4];
        va_list ap;
        va_start(ap, fmt);
        int len = vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        copy_cut(what, sizeof(what), text, len > 0 ? strlen(text) : 0);
        snprintf(text, sizeof(text), "%s: %s", what, reason);
        set_text(err, code, file, line, text, strlen(text));
    }
    return code;
}

void error_set_class(struct error *err, enum error_class cls)
{
    if (err != NULL) {
        err->cls = cls;
    }
}

void error_context(struct error *err, const char *fmt, ...)
{
    if (err == NULL) {
        return;
    }
    char text[ERROR_MESSAGE_MAX + 4];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    size_t text_len = len > 0 ? strlen(text) : 0;
    for (size_t i = 0; i < text_len; i++) {
        if (text[i] == '\n') {
            text[i] = ' '; /* the line break separates frames */
        }
    }
    size_t used = strlen(err->frames);
    /* A frame that does not fit with its line break is left out: the innermost ones tell most. */
    if (used + text_len + 2 <= sizeof(err->frames)) {
        memcpy(err->frames + used, text, text_len);
        memcpy(err->frames + used + text_len, "\n", 2);
    }
}

void error_clear(struct error *err)
{
    if (err != NULL) {
        err->code = ERR_OK;
        err->cls = ERROR_CLASS_USER;
        err->file = NULL;
        err->line = 0;
        err->message[0] = '\0';
        err->frames[0] = '\0';
    }
}

void error_copy(struct error *dst, const struct error *src)
{
    if (dst != NULL && src != NULL && dst != src) {
        *dst = *src;
    }
}

/* Appends what fits; `used` stays below `size`. */
static size_t append_cut(char *buf, size_t size, size_t used, const char *text, size_t len)
{
    return used + copy_cut(buf + used, size - used, text, len);
}

const char *error_format(const struct error *err, char *buf, size_t size)
{
    if (size == 0) {
        return "";
    }
    const char *message = "unknown error";
    if (err != NULL) {
        message = err->message[0] != '\0' ? err->message : error_code_text(err->code);
    }
    size_t used = append_cut(buf, size, 0, message, strlen(message));
    if (err == NULL || err->frames[0] == '\0') {
        return buf;
    }
    const char *lead = " (while ";
    for (const char *frame = err->frames; *frame != '\0';) {
        const char *end = strchrnul(frame, '\n');
        used = append_cut(buf, size, used, lead, strlen(lead));
        used = append_cut(buf, size, used, frame, (size_t)(end - frame));
        lead = ", ";
        frame = *end != '\0' ? end + 1 : end;
    }
    append_cut(buf, size, used, ")", 1);
    return buf;
}

void assert_fail(const char *expr, const char *file, int line, const char *func)
{
    /* One write, no stdio: it may run in any state of the process. */
    char text[1024];
    int len = snprintf(text, sizeof(text), "flinc: assertion failed: %s (%s:%d, %s)\n", expr, file,
                       line, func);
    if (len > 0) {
        size_t n = MIN((size_t)len, sizeof(text) - 1);
        ssize_t written = write(STDERR_FILENO, text, n);
        (void)written; /* there is nobody left to tell */
    }
    abort();
}
