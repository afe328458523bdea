namespace Crosscore.Model.Cores;

/// <summary>What software need not do after it changed code, as CTR_EL0 tells it.</summary>
[Flags]
public enum CacheType
{
    /// <summary>Both: clean the data cache (DC CVAU) and invalidate the instruction caches (IC IVAU).</summary>
    None = 0,

    /// <summary>No cleaning of the data cache: CTR_EL0.IDC.</summary>
    Idc = 1,

    /// <summary>No invalidation of instruction caches: CTR_EL0.DIC.</summary>
    Dic = 2,
}
