/* What the files of this room share; see format.h.  Inside the room only. */
#ifndef FLINC_FORMATS_INSIDE_H
#define FLINC_FORMATS_INSIDE_H

#include "common/base/mem.h"
#include "formats/format.h"

/* The values of a format's options, by their number. */
struct format_options {
    flinc_format_options face; /* first member: what formats see */
    const flinc_format *format;
    char **values; /* Owns: what was set, in its proper form; NULL: the default counts */
};

/* A schema as formats of third parties see it. */
struct format_schema {
    flinc_format_schema face;
    struct schema *schema; /* Owns a ref */
    struct arena arena;    /* of the types */
};
void format_schema_init(struct format_schema *f, const struct schema *schema);
void format_schema_fini(struct format_schema *f);

extern const flinc_format_host format_host;

/* A format's code as ours. */
int format_error_code(int code);
/* The error of a format's function, behind `FORMAT: `. */
int format_failed(const flinc_format *format, int code, const flinc_format_error *why,
                  struct error *err) MUST_CHECK;

#endif
