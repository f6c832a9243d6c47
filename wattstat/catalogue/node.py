"""Servers: out of band by Redfish, in band RAPL by the agent."""

from wattstat.catalogue.metric import counter, gauge, info

NODE_INFO = info(
    "node_info",
    "node rack model serial service_tag bmc_model bmc_firmware bios_version",
    "A server and what identifies it.",
    source="Redfish ComputerSystem, Manager",
)
NODE_EXPECTED_GPUS = gauge(
    "node_expected_gpus",
    "node",
    "How many GPUs should be there.",
    source="inventory: gpus",
)
NODE_MAINTENANCE_ACTIVE = gauge(
    "node_maintenance_active",
    "node reason",
    "1 while planned work on a server goes on, by the inventory; absent otherwise.",
    source="inventory: maintenance",
)
NODE_MAINTENANCE_END_TIMESTAMP_SECONDS = gauge(
    "node_maintenance_end_timestamp_seconds",
    "node",
    "When the planned work ends that goes on now.",
    source="inventory: maintenance.until",
)
NODE_POWER_WATTS = gauge(
    "node_power_watts",
    "node source",
    "Input power of the server; source is system (the BMC's own meter), psu_sum, hgx (GPU baseboard) or estimated.",
    source="Redfish EnvironmentMetrics.PowerWatts, Power.PowerControl.PowerConsumedWatts, Sensors",
)
NODE_ENERGY_JOULES_TOTAL = counter(
    "node_energy_joules_total",
    "node source",
    "Energy; source is counter (the BMC's own), gpu_baseboard (its counter) or integrated (power over time, by us).",
    source="Redfish EnergykWh, Dell ServerPwrMon.AccumulativePower (Wh), integrated power",
)
NODE_POWER_CAP_WATTS = gauge(
    "node_power_cap_watts",
    "node",
    "Value of the power cap, whether active or not.",
    source="Dell ServerPwr.PowerCapValue, Redfish PowerLimitWatts.SetPoint",
)
NODE_POWER_CAP_ACTIVE = gauge(
    "node_power_cap_active",
    "node",
    "1 when the cap is in force, 0 when it is not; absent when the device does not say.",
    source="Dell ServerPwr.PowerCapSetting, Redfish ControlMode; LimitInWatts is no evidence",
)
NODE_POWER_CAP_MIN_WATTS = gauge(
    "node_power_cap_min_watts",
    "node",
    "Lowest cap that the device takes.",
    source="Dell PowerCapMinThres, AllowableMin",
)
NODE_POWER_CAP_MAX_WATTS = gauge(
    "node_power_cap_max_watts",
    "node",
    "Highest cap that the device takes.",
    source="Dell PowerCapMaxThres, AllowableMax",
)
NODE_BASEBOARD_POWER_LIMIT_WATTS = gauge(
    "node_baseboard_power_limit_watts",
    "node kind",
    "Power limit that all GPUs of a baseboard share, out of band; kind is setpoint, min or max.",
    source="Redfish EnvironmentMetrics.PowerLimitWatts of the HGX chassis",
)
NODE_POWER_CAPACITY_WATTS = gauge(
    "node_power_capacity_watts",
    "node",
    "Capacity of the power supplies.",
    source="Redfish PowerSubsystem.CapacityWatts",
)
NODE_POWER_ON = gauge("node_power_on", "node", "1 when the host is switched on.", source="Redfish ComputerSystem.PowerState")
NODE_HEALTH = gauge(
    "node_health",
    "node component",
    "0 OK, 1 Warning, 2 Critical; component is system, or the part whose roll-up says why.",
    source="Redfish Status.HealthRollup, Dell *RollupStatus",
)
NODE_FAULT_INFO = info(
    "node_fault_info",
    "node id severity message_id message",
    "A fault that the BMC reports as current.",
    source="Dell FaultList",
)
NODE_FAULTS = gauge("node_faults", "node severity", "Faults that the BMC reports as current.", source="Dell FaultList")
NODE_LOG_EVENTS_TOTAL = counter(
    "node_log_events_total",
    "node log severity",
    "Log entries that appeared since Wattstat started.",
    source="Redfish LogEntry, by increments",
)
PSU_INPUT_WATTS = gauge("psu_input_watts", "node psu", "Input power.", source="Redfish PowerSupplyMetrics.InputPowerWatts")
PSU_OUTPUT_WATTS = gauge("psu_output_watts", "node psu", "Output power.", source="Redfish PowerSupplyMetrics.OutputPowerWatts")
PSU_INPUT_VOLTS = gauge("psu_input_volts", "node psu", "Input voltage.", source="Redfish PowerSupplyMetrics.InputVoltage")
PSU_CAPACITY_WATTS = gauge("psu_capacity_watts", "node psu", "Rated output.", source="Redfish PowerSupply.PowerCapacityWatts")
PSU_HEALTH = gauge("psu_health", "node psu", "0 OK, 1 Warning, 2 Critical.", source="Redfish PowerSupply.Status.Health")
PSU_REDUNDANCY_OK = gauge(
    "psu_redundancy_ok",
    "node",
    "1 when the supplies are redundant, 0 when redundancy is lost or off; absent when the device does not say.",
    source="Redfish PowerSupplyRedundancy, Dell RedundancyStatus and PSRedPolicy",
)
PSU_REDUNDANCY_INFO = info(
    "psu_redundancy_info",
    "node policy",
    "The redundancy policy that is set.",
    source="Dell ServerPwr.PSRedPolicy",
)
NODE_TEMPERATURE_CELSIUS = gauge(
    "node_temperature_celsius",
    "node sensor role",
    "Temperature; role is inlet, exhaust, cpu, memory, gpu, storage, psu, board or other.",
    source="Redfish ThermalMetrics, Sensors, Thermal.Temperatures",
)
NODE_TEMPERATURE_LIMIT_CELSIUS = gauge(
    "node_temperature_limit_celsius",
    "node sensor kind",
    "The device's own thresholds; kind is caution or critical.",
    source="Redfish Sensor.Thresholds, UpperThresholdNonCritical, UpperThresholdCritical",
)
FAN_SPEED_RPM = gauge("fan_speed_rpm", "node fan", "Fan speed.", source="Redfish Fan.SpeedPercent.SpeedRPM, Thermal.Fans")
FAN_SPEED_RATIO = gauge(
    "fan_speed_ratio",
    "node fan",
    "Fan speed or PWM over its maximum.",
    source="Redfish SpeedPercent, Dell FanPWM",
)
FAN_HEALTH = gauge("fan_health", "node fan", "0 OK, 1 Warning, 2 Critical.", source="Redfish Fan.Status.Health")
FAN_REDUNDANCY_OK = gauge(
    "fan_redundancy_ok",
    "node",
    "1 when the fans are redundant, 0 when redundancy is lost; absent when the device does not say.",
    source="Redfish ThermalSubsystem.FanRedundancy, Thermal.Redundancy",
)
NODE_AIRFLOW_CFM = gauge(
    "node_airflow_cubic_feet_per_minute",
    "node",
    "Estimated airflow.",
    source="Dell EstimatedSystemAirflowCFM (255 is no reading)",
)
NODE_USAGE_RATIO = gauge(
    "node_usage_ratio",
    "node component",
    "Usage that the BMC sees; component is cpu, memory, io or system.",
    source="Dell Sensors SystemBoardCPUUsage and others",
)
NODE_GPU_POWER_WATTS = gauge(
    "node_gpu_power_watts",
    "node device",
    "Power of a GPU out of band.",
    source="Redfish Processor EnvironmentMetrics",
)
NODE_GPU_POWER_LIMIT_WATTS = gauge(
    "node_gpu_power_limit_watts",
    "node device kind",
    "Power limit of a GPU out of band; kind is setpoint, min, max or default.",
    source="Redfish Processor EnvironmentMetrics.PowerLimitWatts",
)
NODE_GPU_ENERGY_JOULES_TOTAL = counter(
    "node_gpu_energy_joules_total",
    "node device",
    "Energy of a GPU out of band.",
    source="Redfish EnergyJoules, EnergykWh",
)
NODE_GPU_TEMPERATURE_CELSIUS = gauge(
    "node_gpu_temperature_celsius",
    "node device sensor",
    "Temperature of a GPU out of band; sensor is gpu, memory or board.",
    source="Redfish Processor EnvironmentMetrics, Dell DellGPUSensors",
)
NODE_GPU_TEMPERATURE_MARGIN_CELSIUS = gauge(
    "node_gpu_temperature_margin_celsius",
    "node device",
    "Degrees that a GPU has left before it slows down, out of band.",
    source="Redfish sensor TEMP_1 of an HGX GPU (T.Limit), which falls as the GPU gets hotter",
)
NODE_GPU_HEALTH = gauge("node_gpu_health", "node device", "0 OK, 1 Warning, 2 Critical.", source="Redfish Processor.Status")
NODE_GPU_INFO = info(
    "node_gpu_info",
    "node device model serial uuid firmware",
    "A GPU as the BMC sees it.",
    source="Redfish Processor, DellVideo",
)
MEMORY_HEALTH = gauge("memory_health", "node dimm", "0 OK, 1 Warning, 2 Critical.", source="Redfish Memory.Status.Health")
MEMORY_CAPACITY_BYTES = gauge("memory_capacity_bytes", "node dimm", "Capacity.", source="Redfish Memory.CapacityMiB")
MEMORY_ECC_ERRORS_TOTAL = counter(
    "memory_ecc_errors_total",
    "node dimm kind",
    "ECC errors; kind is corrected or uncorrected.",
    source="Redfish MemoryMetrics.LifeTime",
)
MEMORY_ECC_ALARM = gauge(
    "memory_ecc_alarm",
    "node dimm kind",
    "1 where a module is said to have had too many errors; kind is corrected or uncorrected. Read of those that are not well.",
    source="Redfish MemoryMetrics.HealthData.AlarmTrips",
)
DRIVE_HEALTH = gauge("drive_health", "node drive", "0 OK, 1 Warning, 2 Critical.", source="Redfish Drive.Status.Health")
DRIVE_LIFE_LEFT_RATIO = gauge(
    "drive_life_left_ratio",
    "node drive",
    "Predicted life left.",
    source="Redfish Drive.PredictedMediaLifeLeftPercent",
)
DRIVE_FAILURE_PREDICTED = gauge(
    "drive_failure_predicted",
    "node drive",
    "1 when the drive predicts its failure.",
    source="Redfish Drive.FailurePredicted",
)
FIRMWARE_INFO = info(
    "firmware_info",
    "node component version",
    "Installed firmware.",
    source="Redfish UpdateService/FirmwareInventory",
)
BMC_CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS = gauge(
    "bmc_certificate_expiry_timestamp_seconds",
    "node",
    "When the BMC's certificate ends, as Unix time.",
    source="TLS handshake",
)
BMC_SECURITY_FINDING = gauge(
    "bmc_security_finding",
    "node check",
    "1 when the check found a weakness, 0 when it found none; absent when it could not be checked.",
    source="Dell attributes, Redfish NetworkProtocol, SecureBoot, TLS handshake",
)
BMC_LICENSE_INFO = info("bmc_license_info", "node license", "Licence of the BMC.", source="Dell DellLicenses, LicenseService")
CPU_ENERGY_JOULES_TOTAL = counter(
    "cpu_energy_joules_total",
    "node socket domain",
    "Energy of a socket; domain is package, core, uncore, dram or psys. Wraps are made good.",
    source="/sys/class/powercap/intel-rapl",
)
