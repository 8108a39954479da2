"""The widgets of the plugin: Qt in, calls out."""
