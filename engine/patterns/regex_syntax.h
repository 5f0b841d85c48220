/* Syntax of regular expressions, brought to PCRE2's.  Inside the room only.  Thread: any. */
#ifndef FLINC_ENGINE_PATTERNS_REGEX_SYNTAX_H
#define FLINC_ENGINE_PATTERNS_REGEX_SYNTAX_H

#include "common/base/str.h"

enum { REGEX_CLASS_DEPTH_MAX = 32 };

/* Java's: classes of classes and their intersections, \u, POSIX classes by \p; what Java does not have is refused.  ERR_PARSE. */
int regex_from_java(struct slice pattern, struct str *out, struct error *err) MUST_CHECK;
/* SQL's SIMILAR TO.  ERR_PARSE. */
int regex_from_similar(struct slice pattern, struct slice escape, struct str *out,
                       struct error *err) MUST_CHECK;

#endif
