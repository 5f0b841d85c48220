#include "sample_library.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void sample_register(void)
{
    char exe[1024], path[2048];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    (void)snprintf(path, sizeof(path), "%s/engine_userfunctions/sample_functions.so", exe);
    functions_register_builtin();
    user_functions_register();
    assert_int_equal(user_library_add("sample.so", path, NULL), 0);
}

const struct expr_function *sample_function(const char *symbol)
{
    const struct expr_function *f = NULL;
    struct error err = ERROR_INIT;
    if (user_function_find("sample.so", symbol, symbol, &f, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return f;
}

void expect_refused(const char *symbol, int rc, const char *text)
{
    const struct expr_function *f = NULL;
    struct error err = ERROR_INIT;
    char all[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    const int got = user_function_find("sample.so", symbol, "f", &f, &err);
    if (got != rc) {
        fail_msg("%s: %d, not %d: %s", symbol, got, rc, err.message);
    }
    assert_null(f);
    (void)error_format(&err, all, sizeof(all));
    if (strstr(all, text) == NULL) {
        fail_msg("%s: '%s' is not in: %s", symbol, text, all);
    }
}
