/* libexec/flinc-configtool: everything is in libflinc.so. */
int flinc_private_configtool_main(int argc, char **argv);

int main(int argc, char **argv)
{
    return flinc_private_configtool_main(argc, argv);
}
