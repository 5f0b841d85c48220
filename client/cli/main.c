/* bin/flink: everything is in libflinc.so. */
int flinc_private_cli_main(int argc, char **argv);

int main(int argc, char **argv)
{
    return flinc_private_cli_main(argc, argv);
}
