# cmake -D HONE=PROGRAM -D FOLDER=DIR -P manual.cmake: has the program write its manual pages and shell completions, as an
# installation has them: man1/*.1.gz, hone.bash, hone.zsh, hone.fish.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${FOLDER})
execute_process(COMMAND ${HONE} help --man ${FOLDER}/man1 COMMAND_ERROR_IS_FATAL ANY)
foreach(shell bash zsh fish)
  execute_process(COMMAND ${HONE} help --completion ${shell} OUTPUT_FILE ${FOLDER}/hone.${shell} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
file(GLOB pages ${FOLDER}/man1/*.1)
execute_process(COMMAND gzip -9 -n ${pages} COMMAND_ERROR_IS_FATAL ANY)
