#include "reports/report_command.hpp"

int main(int argc, char** argv) { return lyap::run_report_command(argc, argv); }
