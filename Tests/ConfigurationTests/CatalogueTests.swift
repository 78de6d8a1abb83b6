import Configuration
import Metering
import Testing

@Suite struct CatalogueTests {
    static let models = Catalogue(share: nil).models().map(\.name)

    @Test func theFirstModelsAreThere() {
        let wanted = ["abb-b23", "carlo-gavazzi-em340", "eastron-sdm230", "eastron-sdm630", "janitza-umg96rm"]
        #expect(Set(wanted).isSubset(of: Self.models))
    }

    @Test(arguments: models) func everyDefinitionReads(model: String) throws {
        let definition = try #require(try Catalogue(share: nil).definition(model: model))
        #expect(definition.model == model)
        #expect(!definition.points.isEmpty)
    }
}
