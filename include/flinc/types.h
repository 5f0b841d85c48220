/* flinc/types.h: how C structs become schemas.
 *
 *   FLINC_STRUCT(word_count, FLINC_STRING(word), FLINC_INT64(count));
 *
 * declares `struct word_count { flinc_string word; int64_t count; }` (and the typedef), its
 * description, and the inline writer behind FLINC_EMIT.  Functions read such structs and emit them;
 * between functions the engine keeps columns.
 *
 * Flink: TypeInformation of a POJO. */
#ifndef FLINC_TYPES_H
#define FLINC_TYPES_H

#include "flinc/out.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Kinds of fields, with the C type and the SQL type that they stand for.  Values are part of the ABI. */
typedef enum flinc_field_kind {
    FLINC_KIND_BOOL = 1,           /* bool          BOOLEAN */
    FLINC_KIND_INT8 = 2,           /* int8_t        TINYINT */
    FLINC_KIND_INT16 = 3,          /* int16_t       SMALLINT */
    FLINC_KIND_INT32 = 4,          /* int32_t       INT */
    FLINC_KIND_INT64 = 5,          /* int64_t       BIGINT */
    FLINC_KIND_FLOAT = 6,          /* float         FLOAT */
    FLINC_KIND_DOUBLE = 7,         /* double        DOUBLE */
    FLINC_KIND_STRING = 8,         /* flinc_string  STRING */
    FLINC_KIND_BYTES = 9,          /* flinc_string  BYTES */
    FLINC_KIND_DATE = 10,          /* int32_t       DATE, days since 1970-01-01 */
    FLINC_KIND_TIME = 11,          /* int32_t       TIME(3), ms of the day */
    FLINC_KIND_TIMESTAMP = 12,     /* int64_t       TIMESTAMP(3), ms since 1970 without zone */
    FLINC_KIND_TIMESTAMP_LTZ = 13, /* int64_t       TIMESTAMP_LTZ(3), ms since 1970 UTC */
    FLINC_KIND_NESTED = 14         /* flinc_string ARRAY, MAP, MULTISET, ROW: bytes, flinc/row.h */
} flinc_field_kind;

#define FLINC_NEVER_NULL 0xffffffffu

typedef struct flinc_field {
    const char *name;
    uint32_t kind;        /* flinc_field_kind */
    uint32_t offset;      /* in the struct */
    uint32_t null_offset; /* of the bool that says NULL; FLINC_NEVER_NULL: NOT NULL column */
    const char *type;     /* FLINC_KIND_NESTED: as in SQL; else NULL */
} flinc_field;

/* A struct's description; made by FLINC_STRUCT. */
typedef struct flinc_struct {
    uint32_t struct_size; /* of this description */
    uint32_t size;        /* sizeof the described struct */
    const char *name;
    uint32_t n_fields;
    const flinc_field *fields;
} flinc_struct;

/* Streams of single values: FLINC_TYPE(flinc_string), FLINC_TYPE(flinc_int64), ... have one column
 * named f0. */
typedef int64_t flinc_int64;
typedef int32_t flinc_int32;
typedef double flinc_double;
typedef bool flinc_bool;
extern FLINC_API const flinc_struct flinc_string_struct;
extern FLINC_API const flinc_struct flinc_int64_struct;
extern FLINC_API const flinc_struct flinc_int32_struct;
extern FLINC_API const flinc_struct flinc_double_struct;
extern FLINC_API const flinc_struct flinc_bool_struct;

/* The description of a struct declared by FLINC_STRUCT (or of a single-value type above). */
#define FLINC_TYPE(name) (&name##_struct)

/* ---- fields of FLINC_STRUCT ---- */

#define FLINC_BOOL(name) (BOOL, bool, flinc_out_put_bool, name)
#define FLINC_INT8(name) (INT8, int8_t, flinc_out_put_int8, name)
#define FLINC_INT16(name) (INT16, int16_t, flinc_out_put_int16, name)
#define FLINC_INT32(name) (INT32, int32_t, flinc_out_put_int32, name)
#define FLINC_INT64(name) (INT64, int64_t, flinc_out_put_int64, name)
#define FLINC_FLOAT(name) (FLOAT, float, flinc_out_put_float, name)
#define FLINC_DOUBLE(name) (DOUBLE, double, flinc_out_put_double, name)
#define FLINC_STRING(name) (STRING, flinc_string, flinc_out_put_string, name)
#define FLINC_BYTES(name) (BYTES, flinc_string, flinc_out_put_string, name)
#define FLINC_DATE(name) (DATE, int32_t, flinc_out_put_int32, name)
#define FLINC_TIME(name) (TIME, int32_t, flinc_out_put_int32, name)
#define FLINC_TIMESTAMP(name) (TIMESTAMP, int64_t, flinc_out_put_int64, name)
#define FLINC_TIMESTAMP_LTZ(name) (TIMESTAMP_LTZ, int64_t, flinc_out_put_int64, name)
/* An array, a map or a row: FLINC_NESTED(tags, "ARRAY<STRING>").  Its bytes are read and written by a flinc_row
 * (flinc/row.h); functions may hand them on as they are. */
#define FLINC_NESTED(name, type) (NESTED_(type), flinc_string, flinc_out_put_nested, name)
#define FLINC_KIND_NESTED_(type) FLINC_KIND_NESTED
/* A field that may be NULL: FLINC_NULLABLE(FLINC_INT64(age)) adds `bool age_is_null`. */
#define FLINC_NULLABLE(field) FLINC_NULLABLE_I_ field
#define FLINC_NULLABLE_I_(kind, ctype, put, name) (kind, ctype, put, name, nullable)

/* Expands m(context, index, field) for each field; up to 32. */
#define FLINC_CAT_(a, b) FLINC_CAT_I_(a, b)
#define FLINC_CAT_I_(a, b) a##b
#define FLINC_NARGS_(...)                                                                       \
    FLINC_NARGS_I_(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, \
                   16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define FLINC_NARGS_I_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, \
                       a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32,  \
                       n, ...)                                                                     \
    n
#define FLINC_EACH_(m, c, ...) FLINC_CAT_(FLINC_EACH_, FLINC_NARGS_(__VA_ARGS__))(m, c, __VA_ARGS__)
#define FLINC_EACH_1(m, c, f0) m(c, 0, f0)
#define FLINC_EACH_2(m, c, f0, f1) FLINC_EACH_1(m, c, f0) m(c, 1, f1)
#define FLINC_EACH_3(m, c, f0, f1, f2) FLINC_EACH_2(m, c, f0, f1) m(c, 2, f2)
#define FLINC_EACH_4(m, c, f0, f1, f2, f3) FLINC_EACH_3(m, c, f0, f1, f2) m(c, 3, f3)
#define FLINC_EACH_5(m, c, f0, f1, f2, f3, f4) FLINC_EACH_4(m, c, f0, f1, f2, f3) m(c, 4, f4)
#define FLINC_EACH_6(m, c, f0, f1, f2, f3, f4, f5) \
    FLINC_EACH_5(m, c, f0, f1, f2, f3, f4) m(c, 5, f5)
#define FLINC_EACH_7(m, c, f0, f1, f2, f3, f4, f5, f6) \
    FLINC_EACH_6(m, c, f0, f1, f2, f3, f4, f5) m(c, 6, f6)
#define FLINC_EACH_8(m, c, f0, f1, f2, f3, f4, f5, f6, f7) \
    FLINC_EACH_7(m, c, f0, f1, f2, f3, f4, f5, f6) m(c, 7, f7)
#define FLINC_EACH_9(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8) \
    FLINC_EACH_8(m, c, f0, f1, f2, f3, f4, f5, f6, f7) m(c, 8, f8)
#define FLINC_EACH_10(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9) \
    FLINC_EACH_9(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8) m(c, 9, f9)
#define FLINC_EACH_11(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10) \
    FLINC_EACH_10(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9) m(c, 10, f10)
#define FLINC_EACH_12(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11) \
    FLINC_EACH_11(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10) m(c, 11, f11)
#define FLINC_EACH_13(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12) \
    FLINC_EACH_12(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11) m(c, 12, f12)
#define FLINC_EACH_14(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13) \
    FLINC_EACH_13(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12) m(c, 13, f13)
#define FLINC_EACH_15(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14) \
    FLINC_EACH_14(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13) m(c, 14, f14)
#define FLINC_EACH_16(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15) \
    FLINC_EACH_15(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14)          \
    m(c, 15, f15)
#define FLINC_EACH_17(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, \
                      f16)                                                                        \
    FLINC_EACH_16(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15)     \
    m(c, 16, f16)
#define FLINC_EACH_18(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17)                                                                    \
    FLINC_EACH_17(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16) \
    m(c, 17, f17)
#define FLINC_EACH_19(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18)                                                               \
    FLINC_EACH_18(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17)                                                                             \
    m(c, 18, f18)
#define FLINC_EACH_20(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19)                                                          \
    FLINC_EACH_19(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18)                                                                        \
    m(c, 19, f19)
#define FLINC_EACH_21(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20)                                                     \
    FLINC_EACH_20(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19)                                                                   \
    m(c, 20, f20)
#define FLINC_EACH_22(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20, f21)                                                \
    FLINC_EACH_21(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19, f20)                                                              \
    m(c, 21, f21)
#define FLINC_EACH_23(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20, f21, f22)                                           \
    FLINC_EACH_22(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19, f20, f21)                                                         \
    m(c, 22, f22)
#define FLINC_EACH_24(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20, f21, f22, f23)                                      \
    FLINC_EACH_23(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19, f20, f21, f22)                                                    \
    m(c, 23, f23)
#define FLINC_EACH_25(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20, f21, f22, f23, f24)                                 \
    FLINC_EACH_24(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19, f20, f21, f22, f23)                                               \
    m(c, 24, f24)
#define FLINC_EACH_26(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20, f21, f22, f23, f24, f25)                            \
    FLINC_EACH_25(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19, f20, f21, f22, f23, f24)                                          \
    m(c, 25, f25)
#define FLINC_EACH_27(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26)                       \
    FLINC_EACH_26(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19, f20, f21, f22, f23, f24, f25)                                     \
    m(c, 26, f26)
#define FLINC_EACH_28(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27)                  \
    FLINC_EACH_27(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19, f20, f21, f22, f23, f24, f25, f26)                                \
    m(c, 27, f27)
#define FLINC_EACH_29(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28)             \
    FLINC_EACH_28(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27)                           \
    m(c, 28, f28)
#define FLINC_EACH_30(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29)        \
    FLINC_EACH_29(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28)                      \
    m(c, 29, f29)
#define FLINC_EACH_31(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30)   \
    FLINC_EACH_30(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29)                 \
    m(c, 30, f30)
#define FLINC_EACH_32(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,  \
                      f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30,   \
                      f31)                                                                         \
    FLINC_EACH_31(m, c, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, \
                  f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30)            \
    m(c, 31, f31)

/* Chooses by whether the field tuple has the fifth member `nullable`. */
#define FLINC_UNWRAP_(...) __VA_ARGS__
#define FLINC_FIELD_CALL_(m, c, i, field) FLINC_FIELD_CALL_I_(m, c, i, FLINC_UNWRAP_ field, never, )
#define FLINC_FIELD_CALL_I_(...) FLINC_FIELD_CALL_II_(__VA_ARGS__)
#define FLINC_FIELD_CALL_II_(m, c, i, kind, ctype, put, name, null, ...) \
    m##null(c, i, kind, ctype, put, name)

#define FLINC_DECL_(c, i, field) FLINC_FIELD_CALL_(FLINC_DECL_, c, i, field)
#define FLINC_DECL_never(c, i, kind, ctype, put, name) ctype name;
#define FLINC_DECL_nullable(c, i, kind, ctype, put, name) \
    ctype name;                                           \
    bool name##_is_null;
#define FLINC_DESC_(c, i, field) FLINC_FIELD_CALL_(FLINC_DESC_, c, i, field)
#define FLINC_DESC_never(c, i, kind, ctype, put, name) \
    {#name, FLINC_KIND_##kind, (uint32_t)offsetof(c, name), FLINC_NEVER_NULL, FLINC_TEXT_##kind},
#define FLINC_DESC_nullable(c, i, kind, ctype, put, name)                                          \
    {#name, FLINC_KIND_##kind, (uint32_t)offsetof(c, name), (uint32_t)offsetof(c, name##_is_null), \
     FLINC_TEXT_##kind},
/* What flinc_field.type is, by kind. */
#define FLINC_TEXT_BOOL NULL
#define FLINC_TEXT_INT8 NULL
#define FLINC_TEXT_INT16 NULL
#define FLINC_TEXT_INT32 NULL
#define FLINC_TEXT_INT64 NULL
#define FLINC_TEXT_FLOAT NULL
#define FLINC_TEXT_DOUBLE NULL
#define FLINC_TEXT_STRING NULL
#define FLINC_TEXT_BYTES NULL
#define FLINC_TEXT_DATE NULL
#define FLINC_TEXT_TIME NULL
#define FLINC_TEXT_TIMESTAMP NULL
#define FLINC_TEXT_TIMESTAMP_LTZ NULL
#define FLINC_TEXT_NESTED_(type) (type)
#define FLINC_PUT_(c, i, field) FLINC_FIELD_CALL_(FLINC_PUT_, c, i, field)
#define FLINC_PUT_never(c, i, kind, ctype, put, name) put(out, i, record->name);
#define FLINC_PUT_nullable(c, i, kind, ctype, put, name) \
    if (record->name##_is_null) {                        \
        flinc_out_put_null(out, i);                      \
    } else {                                             \
        put(out, i, record->name);                       \
    }

/* Declares struct `type` and what FLINC_TYPE(type) and FLINC_EMIT(out, type, ...) need. */
#define FLINC_STRUCT(type, ...)                                                       \
    typedef struct type {                                                             \
        FLINC_EACH_(FLINC_DECL_, type, __VA_ARGS__)                                   \
    } type;                                                                           \
    FLINC_UNUSED static const flinc_field type##_fields[] = {                         \
        FLINC_EACH_(FLINC_DESC_, type, __VA_ARGS__)};                                 \
    FLINC_UNUSED static const flinc_struct type##_struct = {                          \
        (uint32_t)sizeof(flinc_struct), (uint32_t)sizeof(type), #type,                \
        (uint32_t)(sizeof(type##_fields) / sizeof(type##_fields[0])), type##_fields}; \
    FLINC_UNUSED static inline int type##_emit(flinc_out *out, const type *record)    \
    {                                                                                 \
        flinc_out_begin_row(out);                                                     \
        FLINC_EACH_(FLINC_PUT_, type, __VA_ARGS__)                                    \
        return flinc_out_end_row(out);                                                \
    }                                                                                 \
    struct flinc_struct_needs_semicolon_

/* Emits one record: FLINC_EMIT(out, word_count, .word = w, .count = 1).  Strings are copied.  An
 * expression: 0, or a negative code with which the function should return. */
#ifndef __cplusplus
#define FLINC_EMIT(out, type, ...) (type##_emit((out), &(type){__VA_ARGS__}))
#else
/* Designated initialisers in declaration order are C++20 (GNU C++: always). */
#define FLINC_EMIT(out, type, ...)                 \
    ([&]() -> int {                                \
        const type flinc_record_ = {__VA_ARGS__};  \
        return type##_emit((out), &flinc_record_); \
    }())
#endif
/* The same from a struct at hand. */
#define FLINC_EMIT_STRUCT(out, type, pointer) (type##_emit((out), (pointer)))

/* Emits on a stream of a single value. */
static inline int flinc_emit_string(flinc_out *out, flinc_string v)
{
    flinc_out_begin_row(out);
    flinc_out_put_string(out, 0, v);
    return flinc_out_end_row(out);
}
static inline int flinc_emit_int64(flinc_out *out, int64_t v)
{
    flinc_out_begin_row(out);
    flinc_out_put_int64(out, 0, v);
    return flinc_out_end_row(out);
}
static inline int flinc_emit_double(flinc_out *out, double v)
{
    flinc_out_begin_row(out);
    flinc_out_put_double(out, 0, v);
    return flinc_out_end_row(out);
}

#ifdef __cplusplus
}
#endif

#endif
