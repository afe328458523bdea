using Crosscore.Tool.Tests.Architecture.Here;

namespace Crosscore.Tool.Tests.Architecture.There;

/// <summary>The other half.</summary>
internal static class Other
{
    public static int Value => typeof(One).Name.Length;
}
