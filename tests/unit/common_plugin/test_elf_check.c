/* Files that are no shared object for this machine, each with its own sentence. */
#include "common/plugin/elf_check.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "tests/unit/common_plugin/sample.h"
#include <elf.h>
#include <stdlib.h>
#include <sys/stat.h>

static char dir[] = "/tmp/flinc-elf-XXXXXX";

static void expect_refused(struct slice bytes, const char *message)
{
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/x.so", dir);
    sample_write(str_cstr(&path), bytes);
    struct error err = ERROR_INIT;
    int rc = elf_check_shared_object(str_cstr(&path), &err);
    unlink(str_cstr(&path));
    if (rc != ERR_INVALID_ARGUMENT || strstr(err.message, message) == NULL ||
        !cstr_starts_with(err.message, str_cstr(&path))) {
        fail_msg("%s: %d %s", message, rc, err.message);
    }
}

static void test_good(void **state)
{
    STR_AUTO path = STR_INIT;
    sample_path("good", &path);
    struct error err = ERROR_INIT;
    assert_int_equal(elf_check_shared_object(str_cstr(&path), &err), 0);
}

static void test_foreign_files(void **state)
{
    expect_refused(SLICE_LIT(""), "is empty");
    expect_refused(SLICE_LIT("hello"), "no ELF file");
    expect_refused(SLICE_LIT("PK\x03\x04rest of it"), "zip or jar");
    expect_refused(SLICE_LIT("\xca\xfe\xba\xbe\0\0\0\x34"), "Java class");
    expect_refused(SLICE_LIT("\x1f\x8b\x08"), "gzip");
    expect_refused(SLICE_LIT("\x28\xb5\x2f\xfd"), "zstd");
    expect_refused(SLICE_LIT("!<arch>\nxyz"), "static library");
    expect_refused(SLICE_LIT("#!/bin/sh\n"), "a script");
    expect_refused(SLICE_LIT("MZ\x90"), "Windows");
    expect_refused(SLICE_LIT("\x7f"
                             "ELF"),
                   "truncated");
}

/* A good file with one byte changed. */
static void expect_patched(size_t offset, unsigned char byte, const char *message)
{
    STR_AUTO bytes = STR_INIT;
    sample_read("good", &bytes);
    bytes.data[offset] = (char)byte;
    expect_refused(str_slice(&bytes), message);
}

static void test_other_kinds_of_elf(void **state)
{
    expect_patched(EI_CLASS, ELFCLASS32, "32-bit");
    expect_patched(EI_DATA, ELFDATA2MSB, "built for another kind of machine");
    expect_patched(offsetof(Elf64_Ehdr, e_machine), EM_MIPS, "built for MIPS, this is ");
    expect_patched(offsetof(Elf64_Ehdr, e_type), ET_EXEC, "is a program");
    expect_patched(offsetof(Elf64_Ehdr, e_type), ET_REL, "not yet linked");
    expect_patched(offsetof(Elf64_Ehdr, e_type), ET_CORE, "core dump");
    expect_patched(offsetof(Elf64_Ehdr, e_type), 77, "no shared object");
    expect_patched(offsetof(Elf64_Ehdr, e_phentsize), 1, "truncated");
}

static void test_truncated_anywhere(void **state)
{
    STR_AUTO bytes = STR_INIT;
    sample_read("good", &bytes);
    Elf64_Ehdr header;
    memcpy(&header, bytes.data, sizeof(header));
    size_t loaded_end = 0;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes.data + header.e_phoff + i * sizeof(segment), sizeof(segment));
        if (segment.p_type == PT_LOAD) {
            loaded_end = MAX(loaded_end, (size_t)(segment.p_offset + segment.p_filesz));
        }
    }
    for (size_t len = 4; len < loaded_end; len += 97) {
        expect_refused(slice_make(bytes.data, len), "truncated");
    }
}

static void test_what_is_no_file(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(elf_check_shared_object("/nowhere/x.so", &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/x.so"));
    assert_int_equal(elf_check_shared_object(dir, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "is a folder"));
    STR_AUTO pipe = STR_INIT;
    str_printf(&pipe, "%s/pipe", dir);
    assert_int_equal(mkfifo(str_cstr(&pipe), 0600), 0);
    assert_int_equal(elf_check_shared_object(str_cstr(&pipe), &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "no regular file"));
    assert_int_equal(unlink(str_cstr(&pipe)), 0);
}

static int make_dir(void **state)
{
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_foreign_files),
        cmocka_unit_test(test_other_kinds_of_elf),
        cmocka_unit_test(test_truncated_anywhere),
        cmocka_unit_test(test_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
