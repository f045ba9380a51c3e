"""What Tidemill stands on at Google Cloud, as Config Connector resources and as the same in commands."""
