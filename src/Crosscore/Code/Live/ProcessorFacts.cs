using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text;

namespace Crosscore.Code;

/// <summary>
/// What is known of a processor whose cores execute code while another of them stores into it.
/// </summary>
/// <param name="Name">What it is called in the reasons of plans.</param>
/// <param name="QuadwordIsPromised">
/// Whether its manual promises that a single store within naturally aligned 8 bytes may change code that another core
/// executes: AMD's does (APM vol. 2, 7.6.1), of AMD's processors. Intel's names no size at all (SDM vol. 3, 9.1.3).
/// </param>
/// <param name="IsMeasured">
/// Whether the torture of live code was run on a processor of its design in measured mode: such stores were fetched
/// whole, and without any synchronization no old instruction was executed after them.
/// </param>
internal readonly record struct ProcessorFacts(string Name, bool QuadwordIsPromised, bool IsMeasured)
{
    private const string Amd = "AuthenticAMD";

    public static ProcessorFacts OfThisProcess { get; } = Detect();

    /// <summary>A pure function of what CPUID answers.</summary>
    /// <param name="vendor">Leaf 0: EBX, EDX, ECX as 12 letters.</param>
    /// <param name="signature">Leaf 1: EAX.</param>
    public static ProcessorFacts Of(string vendor, int signature)
    {
        int family = signature >> 8 & 0xF;
        int model = signature >> 4 & 0xF;
        if (family is 0x6 or 0xF)
        {
            model += (signature >> 16 & 0xF) << 4;
        }

        family += family == 0xF ? signature >> 20 & 0xFF : 0;
        string? design = vendor == Amd ? MeasuredDesign(family, model) : null;
        string name = string.Create(
            CultureInfo.InvariantCulture,
            $"{design ?? vendor}, family 0x{family:X}, model 0x{model:X}"
        );
        return new(name, vendor == Amd, design is not null);
    }

    /// <summary>
    /// The designs on which the torture was run (docs/code.md says for how long). Source of the numbers: Linux,
    /// arch/x86/kernel/cpu/amd.c.
    /// </summary>
    private static string? MeasuredDesign(int family, int model) =>
        (family, model) switch
        {
            (0x19, <= 0x0F or (>= 0x20 and <= 0x5F)) => "Zen 3",
            (0x19, (>= 0x10 and <= 0x1F) or (>= 0x60 and <= 0xAF)) => "Zen 4",
            (0x1A, <= 0x2F or (>= 0x40 and <= 0x4F) or (>= 0x60 and <= 0x7F)) => "Zen 5",
            _ => null,
        };

    private static ProcessorFacts Detect()
    {
        if (!X86Base.IsSupported)
        {
            return new("not x86", false, false);
        }

        (_, int ebx, int ecx, int edx) = X86Base.CpuId(0, 0);
        string vendor = Encoding.ASCII.GetString(MemoryMarshal.AsBytes<int>((ReadOnlySpan<int>)[ebx, edx, ecx]));
        return Of(vendor, X86Base.CpuId(1, 0).Eax);
    }
}
