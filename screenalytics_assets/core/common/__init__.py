"""What every stage uses: errors, geometry, intervals, table schemas, file layout, episode ids."""
