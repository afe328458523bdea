namespace Crosscore;

/// <summary>The answer to one promise, and how it is known.</summary>
/// <param name="Holds">Whether the promise is kept here.</param>
/// <param name="Basis">How that is known.</param>
/// <param name="Source">Where that is written, or what the system answered.</param>
internal readonly record struct Evidence(GuaranteeAnswer Holds, GuaranteeBasis Basis, string Source)
{
    public static Evidence Documented(GuaranteeAnswer holds, string source) =>
        new(holds, GuaranteeBasis.Documented, source);

    public static Evidence Probed(GuaranteeAnswer holds, string source) => new(holds, GuaranteeBasis.Probed, source);

    public static Evidence ByKernelVersion(GuaranteeAnswer holds, string source) =>
        new(holds, GuaranteeBasis.ByKernelVersion, source);
}
