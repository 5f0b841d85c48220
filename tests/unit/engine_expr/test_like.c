/* LIKE: its rules, escapes, and random patterns against a matcher that tries everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/base/clock.h"
#include "engine/expr/like.h"

static bool matches(const char *text, const char *pattern, const char *escape)
{
    struct arena arena;
    struct like_pattern p;
    struct error err = ERROR_INIT;
    arena_init(&arena, 0);
    if (like_compile(slice_cstr(pattern), slice_cstr(escape), &arena, &p, &err) < 0) {
        fail_msg("%s: %s", pattern, err.message);
    }
    bool found = like_matches(&p, slice_cstr(text));
    arena_fini(&arena);
    return found;
}

static void test_rules(void **state)
{
    static const struct {
        const char *text, *pattern, *escape;
        bool matches;
    } rows[] = {
        {"abc", "abc", NULL, true},
        {"abc", "ab", NULL, false},
        {"abc", "a%", NULL, true},
        {"abc", "%c", NULL, true},
        {"abc", "%b%", NULL, true},
        {"abc", "%d%", NULL, false},
        {"abc", "a%c", NULL, true},
        {"ac", "a%c", NULL, true},
        {"a", "a%a", NULL, false},
        {"aba", "ab%ba", NULL, false},
        {"abc", "ABC", NULL, false},
        {"", "", NULL, true},
        {"", "%", NULL, true},
        {"a", "", NULL, false},
        {"", "_", NULL, false},
        {"abc", "a_c", NULL, true},
        {"abc", "___", NULL, true},
        {"abc", "____", NULL, false},
        {"abc", "%%__%%", NULL, true},
        {"xaybz", "%a_b_", NULL, true},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "___", NULL, true},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "%\xe2\x82\xac_", NULL, true},
        {"\xc3\xa4", "__", NULL, false},
        {"a\nb", "a%b", NULL, true},
        {"a\nb", "a_b", NULL, false},
        {"a\xe2\x80\xa8"
         "b",
         "a_b", NULL, false},
        {"a\\xc", "a\\_c", NULL, true},
        {"a_c", "a\\_c", NULL, false},
        {"a_c", "a\\_c", "\\", true},
        {"abc", "a\\_c", "\\", false},
        {"50%", "50!%", "!", true},
        {"50x", "50!%", "!", false},
        {"a!b", "a!!b", "!", true},
        {"a%b", "a\xc3\xa4%b", "\xc3\xa4", true},
        {"mississippi", "m%iss%ip%i", NULL, true},
        {"mississippi", "m%iss%iss%iss%", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (matches(rows[i].text, rows[i].pattern, rows[i].escape) != rows[i].matches) {
            fail_msg("'%s' LIKE '%s'", rows[i].text, rows[i].pattern);
        }
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *pattern, *escape, *message;
    } rows[] = {
        {"a", "", "Invalid escape character ''"},
        {"a", "ab", "Invalid escape character 'ab'"},
        {"a!b", "!", "Invalid escape sequence in 'a!b', position 1"},
        {"\xc3\xa4"
         "b!",
         "!", "position 2"},
    };
    struct arena arena;
    struct like_pattern p;
    struct error err = ERROR_INIT;
    arena_init(&arena, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int rc = like_compile(slice_cstr(rows[i].pattern),
                              slice_make(rows[i].escape, strlen(rows[i].escape)), &arena, &p, &err);
        assert_int_equal(rc, ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, rows[i].message));
    }
    STR_AUTO large = STR_INIT;
    for (int i = 0; i <= LIKE_PATTERN_MAX; i++) {
        str_append_char(&large, 'a');
    }
    assert_int_equal(like_compile(str_slice(&large), slice_cstr(NULL), &arena, &p, &err),
                     ERR_TOO_LARGE);
    arena_fini(&arena);
}

/* Tries everything; ASCII without line ends. */
static bool matches_slowly(const char *text, const char *pattern)
{
    if (*pattern == '\0') {
        return *text == '\0';
    }
    if (*pattern == '%') {
        return matches_slowly(text, pattern + 1) ||
               (*text != '\0' && matches_slowly(text + 1, pattern));
    }
    return *text != '\0' && (*pattern == '_' || *pattern == *text) &&
           matches_slowly(text + 1, pattern + 1);
}

static void test_random(void **state)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 200000; i++) {
        char text[12], pattern[10];
        size_t n = rng_below(&rng, sizeof(text)), m = rng_below(&rng, sizeof(pattern));
        for (size_t k = 0; k < n; k++) {
            text[k] = "ab"[rng_below(&rng, 2)];
        }
        for (size_t k = 0; k < m; k++) {
            pattern[k] = "aabb_%"[rng_below(&rng, 6)];
        }
        text[n] = pattern[m] = '\0';
        if (matches(text, pattern, NULL) != matches_slowly(text, pattern)) {
            fail_msg("'%s' LIKE '%s' should be %d", text, pattern, matches_slowly(text, pattern));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
