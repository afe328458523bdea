using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Syntax.AArch64;

/// <summary>What a mnemonic means.</summary>
/// <param name="Name">In capitals.</param>
/// <param name="Opcode">What it does.</param>
public sealed record ArmMnemonic(string Name, ArmOpcode Opcode)
{
    private static readonly Dictionary<string, ArmMnemonic> Known = Build();

    /// <summary>What it computes.</summary>
    public ArmFunction Function { get; init; }

    /// <summary>Whether it sets the condition flags.</summary>
    public bool SetsFlags { get; init; }

    /// <summary>Bytes of memory accessed; 0 for as many as the register has.</summary>
    public int AccessWidth { get; init; }

    /// <summary>Whether what is loaded is sign-extended.</summary>
    public bool IsSigned { get; init; }

    /// <summary>The order of its load.</summary>
    public AccessOrder LoadOrder { get; init; }

    /// <summary>The order of its store.</summary>
    public AccessOrder StoreOrder { get; init; }

    /// <summary>What kind of fence it is.</summary>
    public FenceKind Fence { get; init; }

    /// <summary>The condition in its name, as of <c>B.EQ</c>.</summary>
    public ArmCondition Condition { get; init; }

    /// <summary>Looks a mnemonic up.</summary>
    /// <param name="name">In any case.</param>
    public static ArmMnemonic? Find(string name) => Known.GetValueOrDefault(name.ToUpperInvariant());

    /// <summary>Looks a condition up; the alternative names HS and LO are known.</summary>
    /// <param name="name">In any case.</param>
    public static ArmCondition? FindCondition(string name) =>
        name.ToUpperInvariant() switch
        {
            "HS" => ArmCondition.Cs,
            "LO" => ArmCondition.Cc,
            _ => Enum.TryParse(name, ignoreCase: true, out ArmCondition condition)
            && Enum.IsDefined(condition)
            && !char.IsDigit(name[0])
                ? condition
                : null,
        };

    private static Dictionary<string, ArmMnemonic> Build()
    {
        var all = new List<ArmMnemonic>
        {
            new("NOP", ArmOpcode.Nop),
            new("YIELD", ArmOpcode.Nop),
            new("SEV", ArmOpcode.Nop),
            new("SEVL", ArmOpcode.Nop),
            new("WFE", ArmOpcode.Nop),
            new("BTI", ArmOpcode.Nop),
            new("WFI", ArmOpcode.Nop),
            new("PRFM", ArmOpcode.Nop),
            new("MOV", ArmOpcode.Move),
            new("MOVZ", ArmOpcode.Move),
            new("MOVN", ArmOpcode.Move) { Function = ArmFunction.Orn },
            new("MVN", ArmOpcode.Move) { Function = ArmFunction.Orn },
            new("NEG", ArmOpcode.Move) { Function = ArmFunction.Sub },
            new("MOVK", ArmOpcode.MoveKeep),
            new("CMP", ArmOpcode.Compare) { Function = ArmFunction.Sub, SetsFlags = true },
            new("CMN", ArmOpcode.Compare) { Function = ArmFunction.Add, SetsFlags = true },
            new("TST", ArmOpcode.Compare) { Function = ArmFunction.And, SetsFlags = true },
            new("CSEL", ArmOpcode.Select),
            new("CSINC", ArmOpcode.Select) { Function = ArmFunction.Add },
            new("CSINV", ArmOpcode.Select) { Function = ArmFunction.Orn },
            new("CSNEG", ArmOpcode.Select) { Function = ArmFunction.Sub },
            new("CSET", ArmOpcode.Select) { Function = ArmFunction.Add },
            new("CSETM", ArmOpcode.Select) { Function = ArmFunction.Orn },
            new("CINC", ArmOpcode.Select) { Function = ArmFunction.Add },
            new("CINV", ArmOpcode.Select) { Function = ArmFunction.Orn },
            new("CNEG", ArmOpcode.Select) { Function = ArmFunction.Sub },
            new("ADR", ArmOpcode.Address),
            new("ADRP", ArmOpcode.Address),
            new("SXTB", ArmOpcode.Extend) { AccessWidth = 1, IsSigned = true },
            new("SXTH", ArmOpcode.Extend) { AccessWidth = 2, IsSigned = true },
            new("SXTW", ArmOpcode.Extend) { AccessWidth = 4, IsSigned = true },
            new("UXTB", ArmOpcode.Extend) { AccessWidth = 1 },
            new("UXTH", ArmOpcode.Extend) { AccessWidth = 2 },
            new("UXTW", ArmOpcode.Extend) { AccessWidth = 4 },
            new("B", ArmOpcode.Branch),
            new("BL", ArmOpcode.BranchLink),
            new("BR", ArmOpcode.BranchRegister),
            new("BLR", ArmOpcode.BranchLinkRegister),
            new("RET", ArmOpcode.Return),
            new("CBZ", ArmOpcode.CompareAndBranch) { Condition = ArmCondition.Eq },
            new("CBNZ", ArmOpcode.CompareAndBranch) { Condition = ArmCondition.Ne },
            new("TBZ", ArmOpcode.TestAndBranch) { Condition = ArmCondition.Eq },
            new("TBNZ", ArmOpcode.TestAndBranch) { Condition = ArmCondition.Ne },
            new("DMB", ArmOpcode.Barrier) { Fence = FenceKind.Full },
            new("DSB", ArmOpcode.Barrier) { Fence = FenceKind.FullCompletion },
            new("ISB", ArmOpcode.Barrier) { Fence = FenceKind.Context },
            new("DC", ArmOpcode.CleanCode),
            new("IC", ArmOpcode.InvalidateCode),
            new("TLBI", ArmOpcode.InvalidateTranslation),
            new("MRS", ArmOpcode.ReadSystem),
            new("MSR", ArmOpcode.WriteSystem),
            new("SVC", ArmOpcode.SupervisorCall),
            new("ERET", ArmOpcode.ExceptionReturn),
            new("UDF", ArmOpcode.Undefined),
            new("MEMBARRIER", ArmOpcode.Membarrier),
            new("SYSCALL", ArmOpcode.Syscall),
            new("LDP", ArmOpcode.LoadPair),
            new("LDNP", ArmOpcode.LoadPair),
            new("LDIAPP", ArmOpcode.LoadPair) { LoadOrder = AccessOrder.AcquirePc },
            new("STP", ArmOpcode.StorePair),
            new("STNP", ArmOpcode.StorePair),
            new("STILP", ArmOpcode.StorePair) { StoreOrder = AccessOrder.Release },
            new("LDRSW", ArmOpcode.Load) { AccessWidth = 4, IsSigned = true },
            new("LDURSW", ArmOpcode.Load) { AccessWidth = 4, IsSigned = true },
            new("LDPSW", ArmOpcode.LoadPair) { AccessWidth = 4, IsSigned = true },
        };
        foreach (
            ArmFunction function in Enum.GetValues<ArmFunction>()
                .Where(function => function is > ArmFunction.None and < ArmFunction.Clr)
        )
        {
            all.Add(new ArmMnemonic(function.ToString().ToUpperInvariant(), ArmOpcode.Compute) { Function = function });
            if (function is ArmFunction.Add or ArmFunction.Sub or ArmFunction.And or ArmFunction.Bic)
            {
                all.Add(all[^1] with { Name = all[^1].Name + "S", SetsFlags = true });
            }
        }

        foreach (ArmCondition condition in Enum.GetValues<ArmCondition>())
        {
            all.Add(
                new ArmMnemonic("B." + condition.ToString().ToUpperInvariant(), ArmOpcode.BranchIf)
                {
                    Condition = condition,
                }
            );
        }

        all.Add(new ArmMnemonic("B.HS", ArmOpcode.BranchIf) { Condition = ArmCondition.Cs });
        all.Add(new ArmMnemonic("B.LO", ArmOpcode.BranchIf) { Condition = ArmCondition.Cc });
        foreach ((string suffix, int width) in (ReadOnlySpan<(string, int)>)[("", 0), ("B", 1), ("H", 2)])
        {
            AddAccesses(all, suffix, width);
            AddAtomics(all, suffix, width);
        }

        return all.ToDictionary(mnemonic => mnemonic.Name);
    }

    private static void AddAccesses(List<ArmMnemonic> all, string suffix, int width)
    {
        void Load(string name, AccessOrder order = AccessOrder.Plain) =>
            all.Add(new ArmMnemonic(name + suffix, ArmOpcode.Load) { AccessWidth = width, LoadOrder = order });
        void Store(string name, AccessOrder order = AccessOrder.Plain) =>
            all.Add(new ArmMnemonic(name + suffix, ArmOpcode.Store) { AccessWidth = width, StoreOrder = order });
        Load("LDR");
        Load("LDUR");
        Load("LDAR", AccessOrder.Acquire);
        Load("LDAPR", AccessOrder.AcquirePc);
        Load("LDAPUR", AccessOrder.AcquirePc);
        Load("LDXR", AccessOrder.Exclusive);
        Load("LDAXR", AccessOrder.Exclusive | AccessOrder.Acquire);
        Store("STR");
        Store("STUR");
        Store("STLR", AccessOrder.Release);
        Store("STLUR", AccessOrder.Release);
        foreach (
            (string name, AccessOrder order) in (ReadOnlySpan<(string, AccessOrder)>)
                [("STXR", AccessOrder.Exclusive), ("STLXR", AccessOrder.Exclusive | AccessOrder.Release)]
        )
        {
            all.Add(
                new ArmMnemonic(name + suffix, ArmOpcode.StoreExclusive) { AccessWidth = width, StoreOrder = order }
            );
        }

        if (width != 0)
        {
            all.Add(new ArmMnemonic("LDRS" + suffix, ArmOpcode.Load) { AccessWidth = width, IsSigned = true });
            all.Add(new ArmMnemonic("LDURS" + suffix, ArmOpcode.Load) { AccessWidth = width, IsSigned = true });
        }
    }

    private static void AddAtomics(List<ArmMnemonic> all, string suffix, int width)
    {
        foreach (string order in (string[])["", "A", "L", "AL"])
        {
            bool acquires = order.StartsWith('A');
            bool releases = order.EndsWith('L');
            ArmMnemonic Make(string name, ArmOpcode opcode, ArmFunction function = ArmFunction.None) =>
                new(name + order + suffix, opcode)
                {
                    AccessWidth = width,
                    Function = function,
                    LoadOrder = AccessOrder.Atomic | (acquires ? AccessOrder.Acquire : AccessOrder.Plain),
                    StoreOrder =
                        AccessOrder.Atomic
                        | (releases ? AccessOrder.Release : AccessOrder.Plain)
                        | (acquires && releases ? AccessOrder.OrdersLater : AccessOrder.Plain),
                };
            all.Add(Make("CAS", ArmOpcode.CompareAndSwap));
            all.Add(Make("SWP", ArmOpcode.Swap));
            foreach (
                ArmFunction function in (ArmFunction[])
                    [
                        ArmFunction.Add,
                        ArmFunction.Clr,
                        ArmFunction.Eor,
                        ArmFunction.Set,
                        ArmFunction.Smax,
                        ArmFunction.Smin,
                        ArmFunction.Umax,
                        ArmFunction.Umin,
                    ]
            )
            {
                string name = function.ToString().ToUpperInvariant();
                all.Add(Make("LD" + name, ArmOpcode.LoadAndModify, function));
                if (!acquires)
                {
                    all.Add(Make("ST" + name, ArmOpcode.StoreModified, function));
                }
            }
        }
    }
}
