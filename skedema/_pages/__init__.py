"""Pages of HTML in one file: templates, styles, pictures and a viewer of scans."""
