using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.Fences;

/// <summary>
/// What the JIT makes of the light fence, in each tier: no instruction, and no access moved across it. The
/// documentation of <see cref="Volatile.ReadBarrier"/> promises less than that, so a runtime that makes something else
/// of it must fail here.
/// </summary>
public sealed partial class AsymmetricFenceCodeTests
{
    [Fact]
    public void With_tiered_compilation() => Check(listings: 2, expected: ["Tier0", "Tier1", "OSR"]);

    [Fact]
    public void Without_profiles() =>
        Check(listings: 2, expected: ["Tier0", "Tier1", "OSR"], ("DOTNET_TieredPGO", "0"));

    [Fact]
    public void With_loops_optimized_at_once() =>
        Check(listings: 1, expected: ["FullOpts"], ("DOTNET_TC_QuickJitForLoops", "0"), ("DOTNET_TieredPGO", "0"));

    [Fact]
    public void Without_tiers() => Check(listings: 1, expected: ["FullOpts"], ("DOTNET_TieredCompilation", "0"));

    private static void Check(int listings, string[] expected, params (string Name, string Value)[] settings)
    {
        Assert.SkipUnless(RuntimeInformation.ProcessArchitecture == Architecture.X64, "Reads x86-64 code.");
        string file = Path.Combine(AppContext.BaseDirectory, $"listing-{Guid.NewGuid():N}.txt");
        try
        {
            ChildResult child = ChildProcess.RunThisProgram(
                Child.CompileLightFences,
                null,
                [
                    ("DOTNET_JitDisasm", string.Join(' ', FencedCode.Methods)),
                    ("DOTNET_JitStdOutFile", file),
                    (FencedCode.ListingsVariable, $"{listings}"),
                    ("CROSSCORE_ASYMMETRIC_FENCE", ""),
                    .. settings,
                ]
            );
            Assert.True(child.Status == 0, child.Errors);
            Assert.SkipWhen(
                child.Text.StartsWith(nameof(AsymmetricFenceMode.Symmetric), StringComparison.Ordinal),
                "The light fence is a full one here."
            );
            List<Listing> all = Listing.Read(File.ReadAllText(file));
            Assert.All(
                expected,
                tier => Assert.Contains(all, listing => listing.Tier.Contains(tier, StringComparison.Ordinal))
            );
            foreach (Listing listing in all)
            {
                if (listing.IsOptimized)
                {
                    CheckOptimized(listing);
                }
                else
                {
                    CheckUnoptimized(listing);
                }
            }
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static void CheckOptimized(Listing listing)
    {
        // A fence would be a locked or a fence instruction; an undecided mode a call or a test of the field.
        Assert.DoesNotContain(listing.Code, line => Fences().IsMatch(line));
        switch (listing.Method)
        {
            case nameof(FencedCode.LoadLightLoad):
                Assert.Equal(2, listing.Loads.Count());
                Assert.DoesNotContain(listing.Code, line => line.Contains("call", StringComparison.Ordinal));
                break;
            case nameof(FencedCode.LoadLoad):
                _ = Assert.Single(listing.Loads); // the twin: without the fence the compiler keeps the value
                break;
            case nameof(FencedCode.StoreLightLoad):
                Assert.Equal(["store", "load"], listing.Accesses);
                Assert.DoesNotContain(listing.Code, line => line.Contains("call", StringComparison.Ordinal));
                break;
            case nameof(FencedCode.LoadLightStore):
                Assert.Equal(["load", "store"], listing.Accesses);
                break;
            case nameof(FencedCode.StoreLightStore):
                Assert.Equal(["store", "store"], listing.Accesses);
                Assert.True(listing.IndexOf("0x3333") < listing.IndexOf("0x4444"));
                break;
            case nameof(FencedCode.LightInLoop):
                Assert.True(listing.LoadsInLoop > 0, listing.ToString());
                break;
            case nameof(FencedCode.NothingInLoop):
                Assert.Equal(0, listing.LoadsInLoop); // the twin: without the fence the load is taken out of the loop
                break;
            default:
                break;
        }
    }

    /// <summary>Code that is not optimized calls the fence; everything stays where it was written.</summary>
    private static void CheckUnoptimized(Listing listing)
    {
        if (listing.Method is nameof(FencedCode.LoadLoad) or nameof(FencedCode.NothingInLoop))
        {
            return;
        }

        int call = listing.IndexOf("AsymmetricFence:Light");
        Assert.True(call >= 0, listing.ToString());
        if (listing.Method == nameof(FencedCode.StoreLightLoad))
        {
            Assert.True(listing.IndexOf("0x1111") < call);
        }

        if (listing.Method == nameof(FencedCode.StoreLightStore))
        {
            Assert.True(listing.IndexOf("0x3333") < call && call < listing.IndexOf("0x4444"));
        }
    }

    [GeneratedRegex(@"\block\b|\b[mls]fence\b|\bxchg\b|CORINFO_HELP_(?!RNGCHKFAIL)|AsymmetricFence")]
    private static partial Regex Fences();

    /// <summary>The code of one method in one tier, from which what belongs to its frame has been left out.</summary>
    private sealed partial record Listing(string Method, string Tier, string[] Code)
    {
        public bool IsOptimized =>
            Tier.Contains("Tier1", StringComparison.Ordinal) || Tier.Contains("FullOpts", StringComparison.Ordinal);

        public IEnumerable<string> Accesses =>
            Code.Where(line => Memory().IsMatch(line)).Select(line => Store().IsMatch(line) ? "store" : "load");

        public IEnumerable<string> Loads => Code.Where(line => Memory().IsMatch(line) && !Store().IsMatch(line));

        /// <summary>Loads between a jump backwards and its target.</summary>
        public int LoadsInLoop
        {
            get
            {
                int loads = 0;
                for (int i = 0; i < Code.Length; i++)
                {
                    int target = Jump().Match(Code[i]) is { Success: true } jump
                        ? Array.FindIndex(
                            Code,
                            line => line.StartsWith(jump.Groups[1].Value + ":", StringComparison.Ordinal)
                        )
                        : -1;
                    if (target >= 0 && target < i)
                    {
                        loads += Code[target..i].Count(line => Memory().IsMatch(line) && !Store().IsMatch(line));
                    }
                }

                return loads;
            }
        }

        public static List<Listing> Read(string text)
        {
            List<Listing> listings = [];
            foreach (Match header in Header().Matches(text))
            {
                int start = header.Index + header.Length;
                int end = text.IndexOf("; Assembly listing", start, StringComparison.Ordinal);
                string[] code =
                [
                    .. text[start..(end < 0 ? text.Length : end)]
                        .Split('\n')
                        .Select(line => line.Trim())
                        .Where(line => line.Length > 0 && line[0] != ';' && !Frame().IsMatch(line)),
                ];
                listings.Add(new Listing(header.Groups[1].Value, header.Groups[2].Value, code));
            }

            return listings;
        }

        public int IndexOf(string part) =>
            Array.FindIndex(Code, line => line.Contains(part, StringComparison.OrdinalIgnoreCase));

        public override string ToString() => $"{Method} ({Tier}):\n{string.Join('\n', Code)}";

        [GeneratedRegex(@"; Assembly listing for method \S*FencedCode:(\w+)\([^\n]*\(([^()\n]*)\)\s*\n")]
        private static partial Regex Header();

        [GeneratedRegex(@"\bptr\b.*\[")]
        private static partial Regex Memory();

        [GeneratedRegex(@"^(mov|inc|add|sub|and|or)\s+\w+ ptr")]
        private static partial Regex Store();

        [GeneratedRegex(@"^j\w+\s+(?:SHORT\s+)?(\w+)")]
        private static partial Regex Jump();

        // Accesses to the stack are the frame's.
        [GeneratedRegex(@"\[r[bs]p\b|^(push|pop)\b")]
        private static partial Regex Frame();
    }
}
