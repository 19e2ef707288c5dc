import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("hosts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="HostReadiness",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("facts", models.JSONField(default=dict)),
                ("states", models.JSONField(default=dict)),
                ("warnings", models.PositiveSmallIntegerField(default=0)),
                ("missing", models.PositiveSmallIntegerField(default=0)),
                ("read_at", models.DateTimeField()),
                ("host", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="readiness", to="hosts.host")),
            ],
        ),
    ]
