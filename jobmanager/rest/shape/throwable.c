/* A Java object made by hand: org.apache.flink.util.SerializedThrowable as ObjectOutputStream writes it,
 * because that is all that Flink's clients read of a failure.  The layout is fixed; only three texts
 * vary.
 *
 *   ACED0005  73 object
 *     72 class SerializedThrowable (3 fields)  78
 *       72 super java.lang.Exception (0 fields)  78
 *         72 super java.lang.Throwable (4 fields)  78 70
 *     values of Throwable: cause 70, message 74 UTF, stack 70, suppressed 70, 78
 *     values of SerializedThrowable: 74 UTF stack trace, 74 UTF class name, 70 */
#include "jobmanager/rest/shape/shape.h"

enum {
    TC_NULL = 0x70,
    TC_REFERENCE = 0x71,
    TC_CLASSDESC = 0x72,
    TC_OBJECT = 0x73,
    TC_STRING = 0x74,
    TC_ENDBLOCKDATA = 0x78,
    TC_LONGSTRING = 0x7c,
    SC_SERIALIZABLE = 2,
    SC_WRITE_METHOD = 1,
    UTF_SHORT_MAX = 65535,
    THROWABLE_TEXT_MAX = 1024 * 1024, /* of a stack trace; longer ones are cut */
};

static void put_big_endian(struct str *out, uint64_t value, int n_bytes)
{
    for (int i = n_bytes - 1; i >= 0; i--) {
        str_append_char(out, (char)(value >> (8 * i)));
    }
}

/* One UTF-16 unit as "modified UTF-8" has it. */
static void put_utf16_unit(struct str *out, uint32_t unit)
{
    if (unit != 0 && unit < 0x80) {
        str_append_char(out, (char)unit);
    } else if (unit < 0x800) {
        str_append_char(out, (char)(0xc0 | unit >> 6));
        str_append_char(out, (char)(0x80 | (unit & 0x3f)));
    } else {
        str_append_char(out, (char)(0xe0 | unit >> 12));
        str_append_char(out, (char)(0x80 | (unit >> 6 & 0x3f)));
        str_append_char(out, (char)(0x80 | (unit & 0x3f)));
    }
}

/* Length of the UTF-8 sequence at s and its code point; what is none becomes U+FFFD, one byte long. */
static size_t utf8_next(const unsigned char *s, size_t len, uint32_t *ret)
{
    static const uint32_t first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80    ? 1
               : s[0] < 0xc0  ? 0
               : s[0] < 0xe0  ? 2
               : s[0] < 0xf0  ? 3
               : s[0] <= 0xf4 ? 4
                              : 0;
    *ret = 0xfffd;
    if (n == 0 || n > len) {
        return 1;
    }
    uint32_t c = s[0] & first_mask[n];
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 1;
        }
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        return 1;
    }
    *ret = c;
    return n;
}

static void put_modified_utf8(struct str *out, struct slice text)
{
    for (size_t i = 0; i < text.len;) {
        uint32_t c;
        i += utf8_next((const unsigned char *)text.data + i, text.len - i, &c);
        if (c >= 0x10000) {
            put_utf16_unit(out, 0xd800 + ((c - 0x10000) >> 10));
            put_utf16_unit(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
        } else {
            put_utf16_unit(out, c);
        }
    }
}

static void put_utf(struct str *out, const char *text)
{
    STR_AUTO utf = STR_INIT;
    put_modified_utf8(&utf, slice_cstr(text));
    ASSERT(utf.len <= UTF_SHORT_MAX);
    put_big_endian(out, utf.len, 2);
    str_append_slice(out, str_slice(&utf));
}

static void put_string(struct str *out, const char *text)
{
    STR_AUTO utf = STR_INIT;
    size_t len = strlen(text);
    put_modified_utf8(&utf, slice_make(text, MIN(len, (size_t)THROWABLE_TEXT_MAX)));
    bool is_long = utf.len > UTF_SHORT_MAX;
    str_append_char(out, is_long ? TC_LONGSTRING : TC_STRING);
    put_big_endian(out, utf.len, is_long ? 8 : 2);
    str_append_slice(out, str_slice(&utf));
}

/* ---- classes -------------------------------------------------------------------------------------- */

static void put_class(struct str *out, const char *name, uint64_t serial, int flags, int n_fields)
{
    str_append_char(out, TC_CLASSDESC);
    put_utf(out, name);
    put_big_endian(out, serial, 8);
    str_append_char(out, (char)flags);
    put_big_endian(out, (uint64_t)n_fields, 2);
}

/* type NULL: the same as the stream's first field type, java.lang.String. */
static void put_field(struct str *out, char kind, const char *name, const char *type)
{
    str_append_char(out, kind);
    put_utf(out, name);
    if (type != NULL) {
        str_append_char(out, TC_STRING);
        put_utf(out, type);
    } else {
        str_append_char(out, TC_REFERENCE);
        put_big_endian(out, 0x007e0001, 4);
    }
}

static void put_classes(struct str *out)
{
    put_class(out, "org.apache.flink.util.SerializedThrowable", 0x65169df51fa713f3, SC_SERIALIZABLE,
              3);
    put_field(out, 'L', "fullStringifiedStackTrace", "Ljava/lang/String;");
    put_field(out, 'L', "originalErrorClassName", NULL);
    put_field(out, '[', "serializedException", "[B");
    str_append_char(out, TC_ENDBLOCKDATA);
    put_class(out, "java.lang.Exception", 0xd0fd1f3e1a3b1cc4, SC_SERIALIZABLE, 0);
    str_append_char(out, TC_ENDBLOCKDATA);
    put_class(out, "java.lang.Throwable", 0xd5c635273977b8cb, SC_SERIALIZABLE | SC_WRITE_METHOD, 4);
    put_field(out, 'L', "cause", "Ljava/lang/Throwable;");
    put_field(out, 'L', "detailMessage", NULL);
    put_field(out, '[', "stackTrace", "[Ljava/lang/StackTraceElement;");
    put_field(out, 'L', "suppressedExceptions", "Ljava/util/List;");
    str_append_char(out, TC_ENDBLOCKDATA);
    str_append_char(out, TC_NULL);
}

void serialized_throwable(const char *class_name, const char *stack_trace, const char *message,
                          struct str *out)
{
    put_big_endian(out, 0xaced0005, 4);
    str_append_char(out, TC_OBJECT);
    put_classes(out);
    str_append_char(out, TC_NULL); /* cause */
    put_string(out, message);
    str_append_char(out, TC_NULL); /* stackTrace */
    str_append_char(out, TC_NULL); /* suppressedExceptions */
    str_append_char(out, TC_ENDBLOCKDATA);
    put_string(out, stack_trace);
    put_string(out, class_name);
    str_append_char(out, TC_NULL); /* serializedException */
}

/* ---- the JSON around it --------------------------------------------------------------------------- */

static void append_base64(struct str *out, const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    str_reserve(out, (size + 2) / 3 * 4 + 1);
    for (size_t i = 0; i < size; i += 3) {
        size_t n = MIN(size - i, (size_t)3);
        uint32_t group = (uint32_t)data[i] << 16 | (n > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                         (n > 2 ? data[i + 2] : 0);
        for (size_t k = 0; k < 4; k++) {
            str_append_char(out, k <= n ? digits[group >> (18 - 6 * k) & 63] : '=');
        }
    }
}

void rest_write_throwable(struct json_writer *w, const struct error *e)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO trace = STR_INIT;
    STR_AUTO bytes = STR_INIT;
    STR_AUTO base64 = STR_INIT;
    error_exception_name(e, &name);
    error_stack_trace(e, &trace);
    serialized_throwable(str_cstr(&name), str_cstr(&trace), e->message, &bytes);
    append_base64(&base64, (const unsigned char *)bytes.data, bytes.len);
    json_writer_object(w);
    json_writer_put_string(w, "class", str_cstr(&name));
    json_writer_put_string(w, "stack-trace", str_cstr(&trace));
    json_writer_put_string(w, "serialized-throwable", str_cstr(&base64));
    json_writer_end(w);
}
