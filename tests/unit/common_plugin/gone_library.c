/* A library that cannot be found when the plug-in linked with it is loaded. */
__attribute__((visibility("default"))) int flinc_test_gone(void);
int flinc_test_gone(void)
{
    return 1;
}
