/* Arguments of a job's main. */
#include "flinc/flinc.h"
#include "sdk/environment.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

static const char *const known[] = {"input", "output", "every", "mode", "n", NULL};

static flinc_env *env_for_test(void)
{
    struct env_options o = {.mode = ENV_MODE_CAPTURE};
    return env_new(&o);
}

static flinc_params *parse(flinc_env *env, int argc, const char **argv)
{
    return flinc_params_parse(env, argc, (char **)argv, known);
}

static void values_are_found(void **state)
{
    const char *argv[] = {"job", "--input",      "a",   "b",  "--every", "2 s", "--input",
                          "c",   "--mode=batch", "--n", "-5", "--output"};
    flinc_env *env = env_for_test();
    flinc_params *p = parse(env, 12, argv);
    size_t n;

    (void)state;
    assert_null(flinc_env_error(env));
    assert_string_equal(flinc_params_all(p, "input", &n)[2], "c");
    assert_int_equal(n, 3);
    assert_string_equal(flinc_params_get(p, "input", NULL), "c");
    assert_int_equal(flinc_params_duration_ms(p, "every", 0), 2000);
    assert_int_equal(flinc_params_mode(p, "mode", FLINC_STREAMING), FLINC_BATCH);
    assert_int_equal(flinc_params_int(p, "n", 0), -5);
    assert_true(flinc_params_has(p, "output"));
    assert_string_equal(flinc_params_get(p, "output", "none"), "none");
    assert_null(flinc_params_all(p, "nothing", &n));
    assert_int_equal(n, 0);
    flinc_env_free(env);
}

static void assert_refused(int argc, const char **argv, const char *text)
{
    flinc_env *env = env_for_test();
    flinc_params *p = parse(env, argc, argv);

    (void)flinc_params_int(p, "n", 0);
    (void)flinc_params_duration_ms(p, "every", 0);
    (void)flinc_params_mode(p, "mode", FLINC_STREAMING);
    assert_non_null(flinc_env_error(env));
    if (strstr(flinc_env_error(env), text) == NULL) {
        fail_msg("expected '%s' in '%s'", text, flinc_env_error(env));
    }
    flinc_env_free(env);
}

static void mistakes_are_explained(void **state)
{
    const char *unknown[] = {"job", "--imput", "a"};
    const char *stray[] = {"job", "a"};
    const char *number[] = {"job", "--n", "1x"};
    const char *huge[] = {"job", "--n", "99999999999999999999"};
    const char *duration[] = {"job", "--every", "soon"};
    const char *mode[] = {"job", "--mode", "fast"};

    (void)state;
    assert_refused(3, unknown, "unknown option '--imput'; did you mean '--input'?");
    assert_refused(2, stray, "argument 'a' belongs to no option");
    assert_refused(3, number, "'1x' is not a whole number");
    assert_refused(3, huge, "is not a whole number");
    assert_refused(3, duration, "is not a duration");
    assert_refused(3, mode, "STREAMING, BATCH or AUTOMATIC");
}

static void run_options_may_stand_behind(void **state)
{
    const char *argv[] = {"job", "--input", "a", "-p", "4", "-Dpipeline.name=x", "--n", "1"};
    const char *bad[] = {"job", "--input", "a", "-p", "-1"};
    flinc_env *env = env_for_test();
    size_t n;

    (void)state;
    flinc_params *p = parse(env, 8, argv);
    assert_null(flinc_env_error(env));
    assert_int_equal(flinc_env_parallelism(env), 4);
    (void)flinc_params_all(p, "input", &n);
    assert_int_equal(n, 1);
    assert_int_equal(flinc_params_int(p, "n", 0), 1);
    flinc_env_free(env);
    assert_refused(5, bad, "The parallelism must be a positive number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(mistakes_are_explained),
        cmocka_unit_test(run_options_may_stand_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
