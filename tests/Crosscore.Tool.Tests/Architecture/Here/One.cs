using Crosscore.Tool.Tests.Architecture.There;

namespace Crosscore.Tool.Tests.Architecture.Here;

/// <summary>Half of a cycle of folders that the test of the architecture has to find.</summary>
internal static class One
{
    public static int Next() => Other.Value;
}
