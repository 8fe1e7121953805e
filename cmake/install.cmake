# What `make install` and `make deb` install, and the Debian package.
add_custom_command(
  TARGET hone POST_BUILD
  COMMAND ${CMAKE_COMMAND} -D HONE=$<TARGET_FILE:hone> -D FOLDER=${PROJECT_BINARY_DIR}/manual
          -P ${PROJECT_SOURCE_DIR}/cmake/manual.cmake
  VERBATIM)

# The program finds the built-in model and its suites beside it (cli/default_model.h).
install(TARGETS hone RUNTIME DESTINATION bin)
install(FILES ${PROJECT_SOURCE_DIR}/models/sprout/sprout.hone DESTINATION share/hone)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/models/sprout/evals DESTINATION share/hone FILES_MATCHING PATTERN "*.jsonl")

install(DIRECTORY ${PROJECT_BINARY_DIR}/manual/man1 DESTINATION share/man)
install(FILES ${PROJECT_BINARY_DIR}/manual/hone.bash DESTINATION share/bash-completion/completions RENAME hone)
install(FILES ${PROJECT_BINARY_DIR}/manual/hone.fish DESTINATION share/fish/vendor_completions.d)
install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION share/doc/hone)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION share/doc/hone FILES_MATCHING PATTERN "*.md" PATTERN "*.png")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION share/doc/hone RENAME copyright OPTIONAL)
install(CODE "set(source ${PROJECT_SOURCE_DIR})\nset(build ${PROJECT_BINARY_DIR})")
install(SCRIPT ${PROJECT_SOURCE_DIR}/cmake/install_by_prefix.cmake)

# Debian wants a person who answers for a package: whoever builds it, by the variables that Debian's own tools read.
set(builder "local build <root@localhost>")
if(DEFINED ENV{DEBEMAIL})
  set(builder "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME hone)
set(CPACK_PACKAGE_CONTACT ${builder})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "server and trainer of open-weight mixture-of-experts language models")
set(CPACK_PACKAGE_DESCRIPTION
    "Hone serves Qwen3, Qwen3-MoE, OLMoE and MiniMax-M2 checkpoints in bf16 or\n\
INT4 on CPUs, over an API like OpenAI's, and trains them on the same copy of\n\
the weights with the same arithmetic.\n\
.\n\
The package has the program, sprout (a small model to try it with), manual\n\
pages, completions for bash, zsh and fish, and a systemd service that is not\n\
started before it is enabled (systemctl enable --now hone).")
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/debian/conffiles
    ${PROJECT_SOURCE_DIR}/packaging/debian/postinst ${PROJECT_SOURCE_DIR}/packaging/debian/postrm
    ${PROJECT_SOURCE_DIR}/packaging/debian/prerm)
set(CPACK_STRIP_FILES ON)
# So that the prefix is /usr while files are installed: the service's text has it.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
include(CPack)
