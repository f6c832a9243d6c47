from wattstat.cli import main

main()
