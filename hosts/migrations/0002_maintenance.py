from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hosts", "0001_initial")]

    operations = [migrations.AddField("host", "maintenance_since", models.DateTimeField(null=True))]
