#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "types.h"

struct data_type *type_of_text(const char *text)
{
    struct data_type *t = NULL;
    struct error err = ERROR_INIT;
    if (type_parse(slice_cstr(text), &t, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    return t;
}

void check_type(struct data_type *t, const char *text, const char *what)
{
    STR_AUTO printed = STR_INIT;
    type_print(t, &printed);
    type_unref(t);
    if (strcmp(str_cstr(&printed), text) != 0) {
        fail_msg("%s is %s, not %s", what, str_cstr(&printed), text);
    }
}
