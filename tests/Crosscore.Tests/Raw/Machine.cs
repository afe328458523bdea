using System.Runtime.InteropServices;

namespace Crosscore.Tests.Raw;

/// <summary>What a test needs of the machine; where it is missing, the test is skipped and says why.</summary>
internal static class Machine
{
    public static void NeedsRawPrograms() =>
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64,
            "Programs of bare system calls are assembled for Linux on x86-64 only."
        );

    public static void Needs(MembarrierCommands commands) =>
        Assert.SkipUnless(
            Membarrier.Supported.HasFlag(commands),
            $"This system does not offer {commands & ~Membarrier.Supported}."
        );
}
