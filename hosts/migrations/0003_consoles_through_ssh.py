from django.db import migrations, models

_WAYS = [("direct", "Directly"), ("ssh", "Through SSH")]


class Migration(migrations.Migration):
    dependencies = [("hosts", "0002_maintenance")]

    operations = [
        migrations.AddField("host", "console_way", models.CharField(choices=_WAYS, default="direct", max_length=8)),
        migrations.AddField("host", "console_address", models.CharField(blank=True, max_length=255)),
        migrations.AddField("host", "console_port", models.PositiveIntegerField(blank=True, null=True)),
        migrations.AddField("host", "console_login", models.CharField(blank=True, max_length=64)),
    ]
